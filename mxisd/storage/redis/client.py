"""A pool of connections to one Redis: it fails fast while Redis is away, and reconnects by itself."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from txredisapi import RedisError, ResponseError

from ...log import Logger
from ...services import Service
from ...waiting import background, within
from ..contract import StorageUnavailable
from .connection import Argument, Connection, RedisRefused
from .script import script
from .servers import RedisServer

log = Logger()

# The version of the keys and their contents: see scripts/common.lua.
SCHEMA = 4

# Codes of errors that are temporary.  If a command inside a script fails with one, Redis 6 puts the code in the
# middle of another message.
_TEMPORARY = re.compile(
    r"(?:^|-)(OOM|READONLY|LOADING|MISCONF|MASTERDOWN|NOREPLICAS|BUSY|NOAUTH|NOPERM|WRONGPASS|CLUSTERDOWN)\b"
)
# Codes that mean that the server has become a replica, so that all connections to it are useless.
_DEMOTED = {"READONLY", "MASTERDOWN"}

# Backoff: seconds before a connection is made again, after it was lost and while attempts fail.
FIRST_BACKOFF = 0.1
MAX_BACKOFF = 2.0


class Redis(Service):
    """
    Sends commands to Redis; each is answered or fails within about ``timeout``.

    While Redis is away, calls fail at once with :class:`StorageUnavailable`.  A call just after a connection was lost
    waits for the first attempt to reconnect, and fails if that fails.  Attempts go on until the service is stopped.
    """

    name = "redis"

    def __init__(self, server: RedisServer, clock: IReactorTime, size: int, timeout: timedelta, prefix: str) -> None:
        self._server = server
        self._clock = clock
        self._size = size
        self._timeout = timeout.total_seconds()
        self._prefix = prefix
        self._ready: list[Connection] = []
        self._waiting: list[Deferred[None]] = []
        self._slots: list[Deferred[None]] = []
        self._turn = 0
        self._away: str | None = None
        """Why there is no connection; ``None`` while there is one, or the first attempt is under way."""

    def startService(self) -> None:
        super().startService()
        self._away = None
        self._slots = [background("a connection to Redis", self._maintain()) for _ in range(self._size)]

    def stopService(self) -> Deferred[Any]:
        super().stopService()
        closed = DeferredList([connection.whenDisconnected() for connection in self._ready])
        self._away = "mxisd is stopping"
        for slot in self._slots:
            slot.cancel()
        self._wake()
        return closed

    async def ready(self) -> None:
        """Wait until Redis can be reached, or the service is stopped; failed attempts are logged."""
        while self.running and not self._ready:
            try:
                await self._connection()
            except StorageUnavailable:
                await deferLater(self._clock, FIRST_BACKOFF)

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
            self._drop(f"no answer within {self._timeout} s")
            raise StorageUnavailable(f"Redis at {self._server.name} does not answer") from None
        except ResponseError as error:
            raise self._translated(error) from None
        except RedisError as error:
            raise StorageUnavailable(f"Redis at {self._server.name}: {error}") from None

    async def _connection(self) -> Connection:
        while not self._ready:
            if self._away is not None:
                raise StorageUnavailable(f"Redis at {self._server.name} is away: {self._away}")
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting
        self._turn += 1
        return self._ready[self._turn % len(self._ready)]

    def _translated(self, error: Exception) -> Exception:
        """The exception to raise for an error that Redis answered."""
        code = _TEMPORARY.search(str(error))
        if code is None:
            return error  # a bug in mxisd
        if code[1] in _DEMOTED:
            self._drop(str(error))
        return StorageUnavailable(f"Redis at {self._server.name} refuses: {error}")

    def _drop(self, reason: str) -> None:
        """Close all connections: they lead to the same server."""
        dropped, self._ready = self._ready, []
        if dropped:
            log.warn(
                "all connections to Redis at {name} are closed and made again: {reason}",
                name=self._server.name,
                reason=reason,
            )
        for connection in dropped:
            connection.abort()

    async def _maintain(self) -> None:
        """Make one connection, and make it again whenever it is lost.  Cancelled when the service stops."""
        failures = 0
        while self.running:
            try:
                late = DeferredTimeout(f"no answer within {self._timeout} s")
                connection = await within(self._timeout, self._clock, self._connect(), late)
            except Exception as error:
                failures += 1
                self._connect_failed(str(error) or repr(error))
            else:
                failures = 0
                await self._use(connection)
            if self.running:
                await deferLater(self._clock, min(FIRST_BACKOFF * 1.5 ** min(failures, 32), MAX_BACKOFF))

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

    async def _use(self, connection: Connection) -> None:
        """Offer a connection to all callers, until it is lost."""
        if self._away is not None:
            log.info("connected to Redis at {name} again", name=self._server.name)
        self._away = None
        self._ready.append(connection)
        # Not at once: a waiting caller may stop the service, and so cancel this coroutine while it does not await.
        self._clock.callLater(0, self._wake)
        try:
            await connection.whenDisconnected()
        finally:
            connection.abort()
            if connection in self._ready:
                self._ready.remove(connection)

    def _connect_failed(self, reason: str) -> None:
        """Log it, and let waiting callers fail if there is no other connection."""
        if not self.running:
            return
        if self._ready:
            log.debug("no further connection to Redis at {name}: {reason}", name=self._server.name, reason=reason)
            return
        if reason != self._away:
            log.error("waiting for Redis at {name}: {reason}", name=self._server.name, reason=reason)
        self._away = reason
        self._clock.callLater(0, self._wake)

    def _wake(self) -> None:
        """Let all callers that wait for a connection look again."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)
