"""One database, for use from the reactor's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, TypeVar, cast

from twisted.internet.defer import Deferred

from .worker import Find, StatementWorker

P = ParamSpec("P")
T = TypeVar("T")
K = TypeVar("K")


class SQLiteDatabase:
    """Runs functions that take a connection, on two workers: one for those that only read, one for those that write."""

    def __init__(self, reader: StatementWorker, writer: StatementWorker) -> None:
        self._reader = reader
        self._writer = writer

    def read(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Run a function that only reads."""
        return cast("Deferred[T]", self._reader.run(lambda connection: function(connection, *args, **kwargs)))

    def find(
        self,
        find: Callable[Concatenate[sqlite3.Connection, list[K], P], T],
        keys: Sequence[K],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Deferred[T]:
        """
        Find things by their keys, with a function that takes any number of keys.

        Calls with the same function and arguments that are waiting at the same time become one call, so the result may
        contain keys that others asked for.
        """
        return cast("Deferred[T]", self._reader.run(Find(find, keys, args)))

    def write(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Run a function in a transaction; the result comes when the transaction is on disk."""
        return cast("Deferred[T]", self._writer.run(lambda connection: function(connection, *args, **kwargs)))
