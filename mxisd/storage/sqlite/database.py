"""One database, for use from the reactor's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from resource import RUSAGE_THREAD, getrusage
from time import perf_counter
from typing import Concatenate, ParamSpec, TypeVar, cast

from twisted.internet.defer import Deferred

from .worker import StatementWorker, is_unavailable

P = ParamSpec("P")
T = TypeVar("T")

# What is read at once from the reactor's thread: so many keys take a tenth of a millisecond.
FEW = 200
# What is deleted at once: a million rows take many seconds.
STEP = 500
# Longer than this the reactor shall not wait for a disk.  Seconds.
PATIENCE = 0.005
# After it had to, so many reads without the disk show that it would not have to any more.
PROOFS = 100


class SQLiteDatabase:
    """
    Runs functions that take a connection: on two workers, one for those that only read and one for those that write.

    Once it has been started, it looks up in the reactor's thread what takes less time than the way to another thread:
    that is what is in memory.  Nobody knows beforehand what is.  So it begins on the worker, and goes back to it after
    each look-up that took long, until there have been many for which the disk was not needed.
    """

    def __init__(self, reader: StatementWorker, writer: StatementWorker) -> None:
        self._reader = reader
        self._writer = writer
        self._here: sqlite3.Connection | None = None
        self._disk = _Disk()
        self._proofs = 0

    def start(self, connection: sqlite3.Connection) -> None:
        """Look up by this connection, in the reactor's thread."""
        # Who has to wait for a lock waits in the worker.
        connection.execute("PRAGMA busy_timeout = 0")
        self._here, self._disk = connection, _Disk()

    def stop(self) -> None:
        """Close the connection."""
        if self._here is not None:
            self._here.close()
            self._here = None

    async def delete_in_steps(self, delete: Callable[[sqlite3.Connection, int, int], int], before: int) -> int:
        """
        Call a function that deletes what is from before a time, at most so many at once, until there is no more.

        Other writes come in between.  Returns how many were deleted.
        """
        deleted = 0
        while gone := await self.write(delete, before, STEP):
            deleted += gone
        return deleted

    async def look_up(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a function that reads little: what belongs to some :data:`FEW` keys at most."""
        if self._here is not None and self._proofs >= PROOFS:
            begin = perf_counter()
            try:
                return function(self._here, *args, **kwargs)
            except sqlite3.DatabaseError as error:
                if not is_unavailable(error):
                    raise
                # The worker has the time to wait for what it is, or the words for it.
                self._proofs = 0
            finally:
                # On a busy machine it may just have had to wait for a processor.
                if perf_counter() - begin > PATIENCE and self._disk.was_needed():
                    self._proofs = 0
        found, without_disk = await self.read(_observed, function, *args, **kwargs)
        self._proofs = self._proofs + 1 if without_disk else 0
        return found

    def read(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Run a function that only reads, as much as it likes."""
        return cast("Deferred[T]", self._reader.run(lambda connection: function(connection, *args, **kwargs)))

    def write(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Run a function in a transaction; the result comes when the transaction is on disk."""
        return cast("Deferred[T]", self._writer.run(lambda connection: function(connection, *args, **kwargs)))


def _observed(
    db: sqlite3.Connection,
    function: Callable[Concatenate[sqlite3.Connection, P], T],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> tuple[T, bool]:
    """What a function returns, and whether it did without the disk."""
    # Not by the time it takes: a thread that is not the reactor's waits for Python's lock, and longer than for a disk.
    disk = _Disk()
    return function(db, *args, **kwargs), not disk.was_needed()


class _Disk:
    """Knows whether the current thread has waited for a disk, other threads aside."""

    def __init__(self) -> None:
        self._reads = _disk_reads()

    def was_needed(self) -> bool:
        """Whether it has since this was asked last."""
        before, self._reads = self._reads, _disk_reads()
        return self._reads != before


def _disk_reads() -> int:
    """How often this thread has waited for a disk: blocks that it read, pages of mapped files that were not there."""
    usage = getrusage(RUSAGE_THREAD)
    return usage.ru_inblock + usage.ru_majflt
