"""``storage``, ``key``: where everything is kept that must survive a restart, the signing key included."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from ..databases.location import BadLocation, parse
from ..databases.options import ConnectionOptions
from ..databases.postgresql import PostgreSQLServer, postgresql_server
from .engine.hosts import HostAndPort, RedisUrl
from .engine.section import Finding, Secret, Section
from .engine.values import ExistingFile, KeyPrefix, Milliseconds, PoolSize

IN_MEMORY = ":memory:"
"""In place of a file: what mxisd took for a database, and for a key, that lasts as long as it runs."""


class SQLite(Section):
    database: Path = Path("mxisd.db")

    @property
    def lasts(self) -> bool:
        """Whether the database is there after a restart."""
        return self.database.name != IN_MEMORY

    def cautions(self) -> Iterable[Finding]:
        if not self.lasts:
            yield Finding("database", "is in memory: invites, bindings and accounts are gone when mxisd ends")


class Sentinel(Section):
    """Where to ask for the Redis that is in charge of ``service``."""

    servers: tuple[HostAndPort, ...] = ()
    service: str = "mymaster"
    username: str | None = None
    password: Secret | None = None


class Redis(Section):
    url: RedisUrl = Secret("redis://localhost:6379/0")
    username: str | None = None
    password: Secret | None = None
    ca_file: ExistingFile | None = None
    prefix: KeyPrefix = "mxisd:"
    pool_size: PoolSize = 8
    timeout: Milliseconds = timedelta(milliseconds=900)
    """Within that Redis has to answer; a client that waits for us notices twice that."""
    sentinel: Sentinel = Sentinel()


class PostgreSQL(Section):
    database: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    ca_file: ExistingFile | None = None
    pool_size: PoolSize = 8
    timeout: Milliseconds = timedelta(milliseconds=900)
    """Within that PostgreSQL has to answer; a client that waits for us notices twice that."""
    # ma1sd's, for a pool of another kind.
    pool: bool = False
    max_connections_free: int = 1
    max_connection_age_millis: int = 3_600_000
    check_connections_every_millis: int = 30_000
    test_before_get_from_pool: bool = False

    @property
    def server(self) -> PostgreSQLServer:
        """Where it is, by all keys together.  Raises :class:`~mxisd.databases.location.BadLocation`."""
        location = parse(self.database or "", "postgresql")
        return postgresql_server(
            replace(location, user=self.username or location.user),
            ConnectionOptions(location.options),
            password=self.password,
            ca_file=self.ca_file,
        )

    def mistakes(self) -> Iterable[Finding]:
        if self.database is not None:
            try:
                _ = self.server
            except BadLocation as error:
                yield Finding("database", str(error))

    def cautions(self) -> Iterable[Finding]:
        if self.database is not None:
            with suppress(BadLocation):
                yield from [Finding("database", text) for text in self.server.cautions]


class Provider(Section):
    sqlite: SQLite = SQLite()
    redis: Redis = Redis()
    postgresql: PostgreSQL = PostgreSQL()


class Storage(Section):
    """``storage``: what keeps everything that must survive a restart."""

    backend: Literal["sqlite", "redis", "postgresql"] = "sqlite"
    provider: Provider = Provider()

    def unused(self) -> Iterable[str]:
        return (f"provider.{name}" for name in ("sqlite", "redis", "postgresql") if name != self.backend)

    def mistakes(self) -> Iterable[Finding]:
        if self.backend == "postgresql" and self.provider.postgresql.database is None:
            yield Finding("provider.postgresql.database", "required: expected //host:port/name")

    @property
    def is_shared(self) -> bool:
        """Whether several processes can use it."""
        return self.backend != "sqlite"

    @property
    def key_file(self) -> Path | None:
        """Where the signing key is unless told otherwise; ``None`` if in the storage: all processes need the same."""
        return None if self.is_shared else Path("mxisd.signing.key")

    def resolved(self, directory: Path) -> Storage:
        sqlite = replace(self.provider.sqlite, database=directory / self.provider.sqlite.database)
        return replace(self, provider=replace(self.provider, sqlite=sqlite))


class Key(Section):
    """``key``: the long-term signing key."""

    path: Path | None = None

    def resolved(self, directory: Path, default: Path | None) -> Key:
        """With the full path; ``default`` is for when none is set.  Without a path, the key is in the storage."""
        path = None if self.path and self.path.name == IN_MEMORY else self.path or default
        return replace(self, path=path and directory / path)
