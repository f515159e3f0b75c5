"""A pool of connections to one Redis: it fails fast while Redis is away, and reconnects by itself."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime
from txredisapi import RedisError, ResponseError

from ...services import Service
from ..connections import Connections
from ..contract import StorageUnavailable
from .connection import Argument, Connection, RedisRefused
from .script import script
from .servers import RedisServer

# The version of the keys and their contents: see scripts/common.lua.
SCHEMA = 4

# Members of a sorted set, whose removal holds up all others for as long as it takes.
PURGED_AT_ONCE = 1000

# Codes of errors that are temporary.  If a command inside a script fails with one, Redis 6 puts the code in the
# middle of another message.
_TEMPORARY = re.compile(
    r"(?:^|-)(OOM|READONLY|LOADING|MISCONF|MASTERDOWN|NOREPLICAS|BUSY|NOAUTH|NOPERM|WRONGPASS|CLUSTERDOWN)\b"
)
# Codes that mean that the server has become a replica, so that all connections to it are useless.
_DEMOTED = {"READONLY", "MASTERDOWN"}


class Redis(Service):
    """
    Sends commands to Redis; each is answered or fails within about ``timeout``.

    While Redis is away, calls fail at once with :class:`StorageUnavailable`.  A call just after a connection was lost
    waits for the first attempt to reconnect, and fails if that fails.
    """

    name = "redis"

    def __init__(self, server: RedisServer, clock: IReactorTime, size: int, timeout: timedelta, prefix: str) -> None:
        self.connections = Connections(f"Redis at {server.name}", self._connect, clock, size, timeout)
        self._server = server
        self._clock = clock
        self._timeout = timeout.total_seconds()
        self._prefix = prefix
        self._turn = 0

    def startService(self) -> None:
        super().startService()
        self.connections.startService()

    def stopService(self) -> Deferred[Any]:
        super().stopService()
        return self.connections.stopService()

    async def ready(self) -> None:
        """Wait until Redis can be reached, or the service is stopped; failed attempts are logged."""
        await self.connections.until_there()

    async def version(self) -> int:
        """
        The version of the data as they are, 0 if there are none; nothing is changed.

        Raises :class:`StorageUnavailable`.
        """
        try:
            connection = await self._server.connect()
        except Exception as error:  # whatever prevents it
            raise StorageUnavailable(f"Redis at {self._server.name} is away: {error}") from None
        try:
            answer: Deferred[Any] = connection.execute_command("GET", self.key("schema"))
            return int(await answer.addTimeout(self._timeout, self._clock) or 0)
        except (DeferredTimeout, RedisError) as error:
            raise StorageUnavailable(f"Redis at {self._server.name}: {error}") from None
        finally:
            connection.abort()

    def key(self, *parts: str) -> str:
        """The full name of a key: the prefix and the parts."""
        return self._prefix + ":".join(parts)

    async def run(self, name: str, *arguments: Argument) -> Any:
        """Run a script by its name; returns a list for a Lua array, ``None`` for ``nil`` and ``false``."""
        wanted = script(name, self._prefix)
        try:
            return await self.command("EVALSHA", wanted.sha, 0, *arguments)
        except ResponseError as error:
            # The server has not seen the script yet, or forgot it: after a restart, SCRIPT FLUSH or fail-over.
            if not str(error).startswith("NOSCRIPT"):
                raise
            return await self.command("EVAL", wanted.source, 0, *arguments)

    async def purge(self, key: str, before: str) -> int:
        """
        Remove what is below a score from a sorted set, in many small steps; how many there were.

        ``before`` is as ZRANGEBYSCORE takes it.
        """
        removed = 0
        while gone := int(await self.run("sorted_purge", key, before, PURGED_AT_ONCE)):
            removed += gone
        return removed

    async def command(self, *arguments: Argument) -> Any:
        """
        Send a command and return its answer.

        Raises :class:`StorageUnavailable` if Redis is away or answers with a temporary error.  After a timeout or a
        lost connection it is unknown whether the command was carried out.
        """
        connection = await self._connection()
        try:
            answer: Deferred[Any] = connection.execute_command(*arguments)
            return await answer.addTimeout(self._timeout, self._clock)
        except DeferredTimeout:
            # The other connections lead to the same server.
            self.connections.drop(f"no answer within {self._timeout:g} s")
            raise StorageUnavailable(f"Redis at {self._server.name} does not answer") from None
        except ResponseError as error:
            raise self._translated(error) from None
        except RedisError as error:
            raise StorageUnavailable(f"Redis at {self._server.name}: {error}") from None

    async def _connection(self) -> Connection:
        await self.connections.one()
        self._turn += 1
        return self.connections.ready[self._turn % len(self.connections.ready)]

    def _translated(self, error: Exception) -> Exception:
        """The exception to raise for an error that Redis answered."""
        code = _TEMPORARY.search(str(error))
        if code is None:
            return error  # a bug in mxisd
        if code[1] in _DEMOTED:
            self.connections.drop(str(error))
        return StorageUnavailable(f"Redis at {self._server.name} refuses: {error}")

    async def _connect(self) -> Connection:
        connection = await self._server.connect()
        try:
            await self._check_schema(connection)
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _check_schema(self, connection: Connection) -> None:
        """Check the version of the data, for each connection, since after a fail-over it is another server."""
        key = self.key("schema")
        found = await connection.execute_command("GET", key)
        if found is None:
            await connection.execute_command("SET", key, SCHEMA, "NX")
        elif int(found) < SCHEMA:
            await connection.execute_command("EVAL", script("upgrade", self._prefix).source, 0, SCHEMA)
        elif int(found) > SCHEMA:
            raise RedisRefused(
                f"its data (schema {int(found)}) was written by a newer mxisd; this one knows schema {SCHEMA}"
            )
