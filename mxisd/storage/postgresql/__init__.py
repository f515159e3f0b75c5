"""The storage engine for one process or several, on one or more machines: a PostgreSQL server."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from ...config.storage import PostgreSQL as Settings
from ...reactor import IReactor
from ...services import Service
from ..contract import StorageUnavailable
from .accounts import PostgreSQLAccounts
from .archive import PostgreSQLArchive
from .bindings import PostgreSQLBindings
from .buckets import PostgreSQLBuckets
from .connection import Lost, PostgreSQLError
from .cooldowns import PostgreSQLCooldowns
from .database import PostgreSQLDatabase
from .hashes import PostgreSQLHashes
from .invites import PostgreSQLInvites
from .keys import PostgreSQLKeys
from .outbox import PostgreSQLOutbox
from .schema import NewerSchema
from .servers import Servers, Unfit
from .sessions import PostgreSQLSessions
from .transactions import PostgreSQLTransactions


class PostgreSQLStorage:
    """The storage contract on PostgreSQL."""

    def __init__(self, database: PostgreSQLDatabase) -> None:
        self.sessions = PostgreSQLSessions(database)
        self.bindings = PostgreSQLBindings(database)
        self.hashes = PostgreSQLHashes(database)
        self.invites = PostgreSQLInvites(database)
        self.outbox = PostgreSQLOutbox(database)
        self.accounts = PostgreSQLAccounts(database)
        self.transactions = PostgreSQLTransactions(database)
        self.cooldowns = PostgreSQLCooldowns(database)
        self.buckets = PostgreSQLBuckets(database)
        self.keys = PostgreSQLKeys(database)
        self.archive = PostgreSQLArchive(database)


class PostgreSQLService(Service):
    """
    The connections to a PostgreSQL.  It may be unreachable, even at the start: they are made as soon as it can be
    reached.

    Raises :class:`~mxisd.databases.location.BadLocation`.
    """

    name = "postgresql"

    def __init__(self, settings: Settings, reactor: IReactor) -> None:
        self._servers = Servers(settings, reactor)
        self._database = PostgreSQLDatabase(self._servers, reactor, settings.pool_size, settings.timeout)
        self.storage = PostgreSQLStorage(self._database)

    def startService(self) -> None:
        super().startService()
        self._database.connections.startService()

    async def version(self) -> int:
        """The version of the tables, 0 if there are none; nothing is made.  Raises :class:`StorageUnavailable`."""
        try:
            return await self._servers.version()
        except (Lost, NewerSchema, PostgreSQLError, Unfit) as error:
            raise StorageUnavailable(f"{self._servers.name}: {error}") from None

    async def ready(self) -> None:
        """Wait until it can be reached: its tables are in the current version then."""
        await self._database.connections.until_there()

    def stopService(self) -> Deferred[Any]:
        super().stopService()
        return self._database.connections.stopService()
