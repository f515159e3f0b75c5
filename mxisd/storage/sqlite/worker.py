"""
Where SQLite runs: threads of its own, since a query or an fsync must not hold up the reactor.

Handing a job to a thread and its result back costs more than most of our queries.  So a thread takes all jobs that
have queued up since it last looked, runs them in one go, and wakes the reactor once for all of their results.
For writes the gain is larger still: one commit, hence one fsync, acknowledges everyone who waited.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Protocol, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

from ..contract import StorageUnavailable

Job: TypeAlias = Callable[[sqlite3.Connection], Any]
# Finds many things by their keys with one statement.
Find: TypeAlias = Callable[[sqlite3.Connection, list[Any]], dict[Any, Any]]
# Runs jobs on a connection and gives, for each, its result or its failure.
Batch: TypeAlias = Callable[[sqlite3.Connection, Sequence[Job]], Sequence[Any]]

# Bounds how long the first job of a batch waits for the last.
MAX_BATCH = 256


class FindOne:
    """The job of finding one thing, of which a batch has all of the same kind found by one statement."""

    __slots__ = ("find", "key")

    def __init__(self, find: Find, key: Any) -> None:
        self.find = find
        self.key = key

    def __call__(self, connection: sqlite3.Connection) -> Any:
        return self.find(connection, [self.key]).get(self.key)


def run_reads(connection: sqlite3.Connection, jobs: Sequence[Job]) -> list[Any]:
    """Run jobs that only read."""
    sought: dict[Find, list[Any]] = {}
    for job in jobs:
        if isinstance(job, FindOne):
            sought.setdefault(job.find, []).append(job.key)
    found = {find: _outcome(partial(_find_all, find, keys), connection) for find, keys in sought.items()}
    return [_found(found[job.find], job.key) if isinstance(job, FindOne) else _outcome(job, connection) for job in jobs]


def _find_all(find: Find, keys: list[Any], connection: sqlite3.Connection) -> dict[Any, Any]:
    return find(connection, keys)


def _found(found: Mapping[Any, Any] | Failure, key: Any) -> Any:
    return found if isinstance(found, Failure) else found.get(key)


def run_writes(connection: sqlite3.Connection, jobs: Sequence[Job]) -> list[Any]:
    """Run jobs in one transaction; one that fails is undone alone, and none has happened if the commit fails."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        outcomes = [_undone_if_failed(job, connection) for job in jobs]
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        return [Failure(StorageUnavailable(f"SQLite cannot write: {error}"))] * len(jobs)
    return outcomes


def _undone_if_failed(job: Job, connection: sqlite3.Connection) -> Any:
    connection.execute("SAVEPOINT job")
    outcome = _outcome(job, connection)
    if isinstance(outcome, Failure):
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")
    return outcome


def _outcome(job: Job, connection: sqlite3.Connection) -> Any:
    try:
        return job(connection)
    except sqlite3.OperationalError as error:
        return Failure(StorageUnavailable(f"SQLite: {error}"))
    except Exception:
        return Failure()


class Worker(Protocol):
    """Something that runs jobs."""

    def run(self, job: Job) -> Deferred[Any]:
        """Queue a job; the Deferred fires with what it returns, after the batch it was in has ended."""
        ...


class ThreadWorker:
    """A thread with a connection of its own."""

    def __init__(
        self, name: str, connect: Callable[[], sqlite3.Connection], reactor: IReactorFromThreads, batch: Batch
    ) -> None:
        self._connect = connect
        self._reactor = reactor
        self._batch = batch
        self._queue: SimpleQueue[tuple[Job, Deferred[Any]] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._stopped: Deferred[None] = Deferred()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> Deferred[None]:
        """End the thread when all that is queued is done."""
        self._queue.put(None)
        return self._stopped

    def run(self, job: Job) -> Deferred[Any]:
        result: Deferred[Any] = Deferred()
        self._queue.put((job, result))
        return result

    def _work(self) -> None:
        connection = self._connect()
        running = True
        while running:
            waiting = self._take()
            running = waiting[-1] is not None
            batch = [entry for entry in waiting if entry is not None]
            outcomes = self._batch(connection, [job for job, _ in batch])
            self._reactor.callFromThread(_deliver, [result for _, result in batch], outcomes)
        connection.close()
        self._reactor.callFromThread(self._stopped.callback, None)

    def _take(self) -> list[tuple[Job, Deferred[Any]] | None]:
        waiting = [self._queue.get()]
        while waiting[-1] is not None and len(waiting) < MAX_BATCH:
            try:
                waiting.append(self._queue.get_nowait())
            except Empty:
                break
        return waiting


def _deliver(results: Sequence[Deferred[Any]], outcomes: Sequence[Any]) -> None:
    for result, outcome in zip(results, outcomes, strict=True):
        result.callback(outcome)  # a Failure takes the errback path
