"""
The threads that SQLite runs in, since a query or an fsync must not block the reactor.

Passing a job to a thread, and its result back, costs more than most of our queries.  So a thread takes all queued jobs
at once, runs them as a batch, and wakes the reactor once for all results.  Writes gain even more: a batch is one
commit, and so one fsync.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Protocol, TypeAlias

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

from ..contract import StorageUnavailable

Job: TypeAlias = Callable[[sqlite3.Connection], Any]
# A job, and the Deferred of its result.
Entry: TypeAlias = tuple[Job, Deferred[Any]]
Outcome: TypeAlias = tuple[Deferred[Any], Any]
# Runs jobs on a connection and yields their outcomes, in portions: each is delivered as soon as it is yielded.
Batch: TypeAlias = Callable[[sqlite3.Connection, Sequence[Entry]], Iterable[list[Outcome]]]

# Limits how long the first job of a batch waits for the last one.
MAX_BATCH = 256


def run_reads(connection: sqlite3.Connection, entries: Sequence[Entry]) -> Iterator[list[Outcome]]:
    """Run jobs that only read; yields each outcome as soon as it is known."""
    for job, result in entries:
        yield [(result, _outcome(job, connection))]


def run_writes(connection: sqlite3.Connection, entries: Sequence[Entry]) -> Iterator[list[Outcome]]:
    """Run jobs in one transaction.  A job that fails is rolled back alone; if the commit fails, all fail."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        outcomes = [(result, _in_savepoint(job, connection)) for job, result in entries]
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        failure = Failure(StorageUnavailable(f"SQLite cannot write: {error}"))
        outcomes = [(result, failure) for _, result in entries]
    yield outcomes


def _in_savepoint(job: Job, connection: sqlite3.Connection) -> Any:
    connection.execute("SAVEPOINT job")
    outcome = _outcome(job, connection)
    if isinstance(outcome, Failure):
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")
    return outcome


def _outcome(job: Job, connection: sqlite3.Connection) -> Any:
    try:
        return job(connection)
    except sqlite3.DatabaseError as error:
        return Failure(StorageUnavailable(f"SQLite: {error}") if is_unavailable(error) else error)
    except Exception:
        return Failure()


def is_unavailable(error: sqlite3.DatabaseError) -> bool:
    """Whether it is the database that fails, or its file is damaged, and not a statement of ours that is wrong."""
    # What has no class of its own is "file is not a database", and "disk image is malformed".
    return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError


class StatementWorker(Protocol):
    """Something that runs jobs."""

    def run(self, job: Job) -> Deferred[Any]:
        """Queue a job; the Deferred fires with its return value, for a write after the commit of its batch."""
        ...


class ThreadWorker:
    """A thread with its own connection."""

    def __init__(
        self, name: str, connect: Callable[[], sqlite3.Connection], reactor: IReactorFromThreads, batch: Batch
    ) -> None:
        self._connect = connect
        self._reactor = reactor
        self._batch = batch
        self._queue: SimpleQueue[Entry | None] = SimpleQueue()
        self._name = name
        self._running = False
        self._stopped: Deferred[None] = Deferred()

    def start(self) -> None:
        """Connect and start working.  Raises :class:`sqlite3.Error`."""
        Thread(target=self._work, args=[self._connect()], name=self._name, daemon=True).start()
        self._running = True

    def stop(self) -> Deferred[None]:
        """End the thread when all queued jobs are done."""
        self._running = False
        self._queue.put(None)
        return self._stopped

    def run(self, job: Job) -> Deferred[Any]:
        if not self._running:
            return fail(StorageUnavailable("SQLite has been stopped"))
        result: Deferred[Any] = Deferred()
        self._queue.put((job, result))
        return result

    def _work(self, connection: sqlite3.Connection) -> None:
        running = True
        while running:
            waiting = self._take()
            running = waiting[-1] is not None
            for outcomes in self._batch(connection, [entry for entry in waiting if entry is not None]):
                self._reactor.callFromThread(_deliver, outcomes)
        connection.close()
        self._reactor.callFromThread(self._stopped.callback, None)

    def _take(self) -> list[Entry | None]:
        waiting = [self._queue.get()]
        while waiting[-1] is not None and len(waiting) < MAX_BATCH:
            try:
                waiting.append(self._queue.get_nowait())
            except Empty:
                break
        return waiting


def _deliver(outcomes: list[Outcome]) -> None:
    for result, outcome in outcomes:
        result.callback(outcome)  # a Failure takes the errback path
