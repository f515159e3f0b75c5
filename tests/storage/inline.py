"""An SQLite engine without threads, for tests that need the answer at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, succeed

from mxisd.storage.sqlite import SQLiteStorage
from mxisd.storage.sqlite.database import SQLiteDatabase
from mxisd.storage.sqlite.schema import migrate, open_connection
from mxisd.storage.sqlite.sorter import Sorter, open_sorter
from mxisd.storage.sqlite.worker import Batch, Job, run_reads, run_writes

T = TypeVar("T")


class InlineWorker:
    """Runs each job on the spot, as a batch of its own."""

    def __init__(self, connection: sqlite3.Connection, batch: Batch) -> None:
        self._connection = connection
        self._batch = batch

    def run(self, job: Job) -> Deferred[Any]:
        result: Deferred[Any] = Deferred()
        for outcomes in self._batch(self._connection, [(job, result)]):
            for waiting, outcome in outcomes:
                waiting.callback(outcome)
        return result


def at_once(function: Callable[[], T]) -> Deferred[T]:
    """Call a function as if in a thread."""
    return succeed(function())


def storage_in_memory() -> SQLiteStorage:
    """A new and empty store."""
    connection = open_connection(":memory:")
    migrate(connection)
    return storage_of(connection)


def storage_of(connection: sqlite3.Connection) -> SQLiteStorage:
    """The store in a database of the current schema."""
    sorter = Sorter(InlineWorker(open_sorter(), run_reads))
    return SQLiteStorage(
        SQLiteDatabase(InlineWorker(connection, run_reads), InlineWorker(connection, run_writes)), sorter
    )
