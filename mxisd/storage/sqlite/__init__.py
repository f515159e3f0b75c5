"""The storage engine for a single process: one SQLite file."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorFromThreads

from ...services import Service
from .accounts import SQLiteAccounts
from .archive import SQLiteArchive
from .bindings import SQLiteBindings
from .buckets import SQLiteBuckets
from .cooldowns import SQLiteCooldowns
from .database import SQLiteDatabase
from .hashes import SQLiteHashes
from .invites import SQLiteInvites
from .keys import SQLiteKeys
from .outbox import SQLiteOutbox
from .presence import WhilePresent
from .schema import open_connection, open_to_read
from .sessions import SQLiteSessions
from .sorter import Sorter, open_sorter
from .transactions import SQLiteTransactions
from .worker import ThreadWorker, run_reads, run_writes


class SQLiteStorage:
    """The storage contract on SQLite."""

    def __init__(self, database: SQLiteDatabase, sorter: Sorter) -> None:
        self.sessions = SQLiteSessions(database)
        self.bindings = SQLiteBindings(database)
        self.hashes = SQLiteHashes(database, sorter)
        self.invites = SQLiteInvites(database)
        self.outbox = SQLiteOutbox(database)
        self.accounts = SQLiteAccounts(database)
        self.transactions = SQLiteTransactions(database)
        self.cooldowns = SQLiteCooldowns(database)
        self.buckets = SQLiteBuckets()
        self.keys = SQLiteKeys(database)
        self.archive = SQLiteArchive(database)


class SQLiteService(Service):
    """
    The threads of a database file: one writes, one reads, and one sorts; little is read in the reactor's thread.

    The file has to exist already, in the current schema: see :func:`~mxisd.storage.sqlite.schema.upgrade`.
    """

    name = "sqlite"

    def __init__(self, path: Path, reactor: IReactorFromThreads) -> None:
        self._path = path
        writes = WhilePresent(path, run_writes)
        self._writer = ThreadWorker("sqlite-writer", writes.connect, reactor, writes)
        self._reader = ThreadWorker("sqlite-reader", lambda: open_connection(path), reactor, run_reads)
        self._sorter = ThreadWorker("sqlite-sorter", open_sorter, reactor, run_reads)
        self._database = SQLiteDatabase(self._reader, self._writer)
        self.storage = SQLiteStorage(self._database, Sorter(self._sorter))

    def startService(self) -> None:
        super().startService()
        self._writer.start()
        self._reader.start()
        self._sorter.start()
        self._database.start(open_to_read(self._path))

    async def ready(self) -> None:
        """Return at once: the file is in the current schema."""

    def stopService(self) -> Deferred[list[tuple[bool, None]]]:
        super().stopService()
        self._database.stop()
        # Everything queued before is still written.
        return DeferredList([self._writer.stop(), self._reader.stop(), self._sorter.stop()])
