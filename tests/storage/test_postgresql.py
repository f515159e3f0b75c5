"""PostgreSQL: the contract, on a real server, and what is particular to a server that others use too."""

from __future__ import annotations

import os
from datetime import timedelta
from itertools import count
from typing import Any

from twisted.internet import reactor

from mxisd.config.engine.section import Secret
from mxisd.config.storage import PostgreSQL as Settings
from mxisd.storage.postgresql import PostgreSQLService
from tests.servers import pgbouncer
from tests.servers.postgresql import postgresql
from tests.storage import contract

REACTOR: Any = reactor

_serial = count(1)


def new_schema() -> str:
    """The name of a schema that is not there yet."""
    return f"{os.getpid()}.{next(_serial)}"


def service(location: str, **settings: Any) -> PostgreSQLService:
    defaults: dict[str, Any] = {"pool_size": 4, "timeout": timedelta(seconds=10)}
    return PostgreSQLService(Settings(database=Secret(location), **defaults | settings), REACTOR)


class ContractTests(contract.StorageContract):
    """The contract, in a schema of its own."""

    def setUp(self) -> None:
        self.schema = new_schema()
        self.addCleanup(postgresql().execute, f'DROP SCHEMA IF EXISTS "{self.schema}" CASCADE')
        self.start()
        self.addCleanup(lambda: self.service.stopService())

    @property
    def location(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{postgresql().port}/postgres?currentSchema=%22{self.schema}%22"

    def start(self) -> None:
        self.service = service(self.location)
        self.service.startService()
        self.storage = self.service.storage

    async def restart(self) -> None:
        await self.service.stopService()
        self.start()


class PooledContractTests(ContractTests):
    """The same behind a PgBouncer for which all clients share one connection, from transaction to transaction."""

    @property
    def location(self) -> str:
        password = pgbouncer.PASSWORD.replace(" ", "%20")
        port = pgbouncer.pgbouncer("transaction").port
        return f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres?currentSchema=%22{self.schema}%22"
