"""A pool of connections to one Redis, which breaks as it must and mends by itself."""

from __future__ import annotations

import re
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

# The version of what the keys are and what is in them: see scripts/common.lua.
SCHEMA = 2

# What Redis answers when it cannot do now what it could do at another time.  When a script is told so, Redis 6 puts the
# code into the middle of another message.
_UNAVAILABLE = re.compile(
    r"(?:^|-)(OOM|READONLY|LOADING|MISCONF|MASTERDOWN|NOREPLICAS|BUSY|NOAUTH|NOPERM|WRONGPASS|CLUSTERDOWN)\b"
)
# Answers that the whole server, and so every connection to it, is the wrong one by now.
_DEMOTED = {"READONLY", "MASTERDOWN"}

# Seconds before a connection is made again: a tenth after it was lost, up to two while attempts fail.
FIRST_PAUSE = 0.1
LAST_PAUSE = 2.0


class Redis(Service):
    """
    Sends commands to Redis; each has an answer or fails within about ``timeout`` seconds.

    While Redis is away, calls fail at once with :class:`StorageUnavailable`; a call during a short interruption waits
    for the attempt to connect that is under way, and fails with it.  Attempts go on for ever.
    """

    name = "redis"

    def __init__(self, server: RedisServer, clock: IReactorTime, size: int, timeout: float, prefix: str) -> None:
        self._server = server
        self._clock = clock
        self._size = size
        self._timeout = timeout
        self._prefix = prefix
        self._ready: list[Connection] = []
        self._waiting: list[Deferred[None]] = []
        self._keepers: list[Deferred[None]] = []
        self._turn = 0
        self._away: str | None = None
        """Why no connection can be had, if so."""

    def startService(self) -> None:
        super().startService()
        self._away = None
        self._keepers = [background("a connection to Redis", self._keep()) for _ in range(self._size)]

    def stopService(self) -> Deferred[Any]:
        super().stopService()
        closed = DeferredList([connection.whenDisconnected() for connection in self._ready])
        self._away = "mxisd is stopping"
        for keeper in self._keepers:
            keeper.cancel()
        self._wake()
        return closed

    async def ready(self) -> None:
        """Wait until Redis is there, or we stop; meanwhile the log says what prevents it."""
        while self.running and not self._ready:
            try:
                await self._connection()
            except StorageUnavailable:
                await deferLater(self._clock, FIRST_PAUSE)

    def key(self, *parts: str) -> str:
        """The name of a key of ours."""
        return self._prefix + ":".join(parts)

    async def run(self, name: str, *arguments: Argument) -> Any:
        """Run a script by its name; an array that it returns is a list, ``nil`` and ``false`` are ``None``."""
        wanted = script(name, self._prefix)
        try:
            return await self.command("EVALSHA", wanted.sha, 0, *arguments)
        except ResponseError as error:
            # Also after a SCRIPT FLUSH and a fail-over.
            if not str(error).startswith("NOSCRIPT"):
                raise
            return await self.command("EVAL", wanted.source, 0, *arguments)

    async def command(self, *arguments: Argument) -> Any:
        """
        Send a command and return its answer.

        Raises :class:`StorageUnavailable`: Redis is away or refuses for now.  After a time-out or a lost connection
        nobody knows whether the command was carried out.
        """
        connection = await self._connection()
        try:
            answer: Deferred[Any] = connection.execute_command(*arguments)
            return await answer.addTimeout(self._timeout, self._clock)
        except DeferredTimeout:
            # All others wait for the same server.
            self._drop(f"no answer within {self._timeout} s")
            raise StorageUnavailable(f"Redis at {self._server.name} does not answer") from None
        except ResponseError as error:
            raise self._judged(error) from None
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

    def _judged(self, error: Exception) -> Exception:
        code = _UNAVAILABLE.search(str(error))
        if code is None:
            return error  # a mistake of ours
        if code[1] in _DEMOTED:
            self._drop(str(error))
        return StorageUnavailable(f"Redis at {self._server.name} refuses: {error}")

    def _drop(self, reason: str) -> None:
        """Break off all connections: they lead to the same server."""
        dropped, self._ready = self._ready, []
        if dropped:
            log.warn(
                "all connections to Redis at {name} are made anew: {reason}", name=self._server.name, reason=reason
            )
        for connection in dropped:
            connection.abort()

    async def _keep(self) -> None:
        """Keep one connection; whatever this waits for is cancelled at the stop."""
        failures = 0
        while self.running:
            try:
                late = DeferredTimeout(f"no answer within {self._timeout} s")
                connection = await within(self._timeout, self._clock, self._connect(), late)
            except Exception as error:
                failures += 1
                self._missed(str(error) or repr(error))
            else:
                failures = 0
                await self._offer(connection)
            if self.running:
                await deferLater(self._clock, min(FIRST_PAUSE * 1.5 ** min(failures, 32), LAST_PAUSE))

    async def _connect(self) -> Connection:
        connection = await self._server.connect()
        try:
            await self._check_schema(connection)
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _check_schema(self, connection: Connection) -> None:
        """See that the data is of a kind that we know.  It may be another server's after a fail-over."""
        key = self.key("schema")
        found = await connection.execute_command("GET", key)
        if found is None:
            await connection.execute_command("SET", key, SCHEMA, "NX")
        elif int(found) < SCHEMA:
            await connection.execute_command("EVAL", script("upgrade", self._prefix).source, 0, SCHEMA)
        elif int(found) > SCHEMA:
            raise RedisRefused(
                f"what is in it (schema {int(found)}) was made by a newer mxisd; this one knows {SCHEMA}"
            )

    async def _offer(self, connection: Connection) -> None:
        """Have a connection used until it is lost."""
        if self._away is not None:
            log.info("Redis at {name} is there again", name=self._server.name)
        self._away = None
        self._ready.append(connection)
        # Not now: whoever waits may stop us, and we cannot be cancelled before we wait.
        self._clock.callLater(0, self._wake)
        try:
            await connection.whenDisconnected()
        finally:
            connection.abort()
            if connection in self._ready:
                self._ready.remove(connection)

    def _missed(self, reason: str) -> None:
        """An attempt to connect has failed."""
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
        """Let those who wait for a connection see what there is now."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)
