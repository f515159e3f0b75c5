"""One connection to a Redis server: the protocol is txredisapi's, its pools and automatic conversions are not used."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from txredisapi import RedisError, RedisProtocol, ResponseError

Argument: TypeAlias = str | bytes | int


class RedisRefused(Exception):
    """The server was reached, but cannot be used; the message says why."""


class RedisLogin(Struct, frozen=True, kw_only=True):
    """The credentials, and the number of the database."""

    username: str | None = None
    password: str | None = None
    database: int = 0


class Connection(RedisProtocol):  # type: ignore[misc]  # txredisapi has no annotations
    """
    Speaks RESP 2; answers are bytes, integers, ``None`` and lists of these.

    The base class would convert "0049" to a number; without character set and number conversion, all values come back
    as they were stored.  It does not get the credentials, since its pool never connects again after one failed login.
    """

    def __init__(self) -> None:
        super().__init__(charset=None, convertNumbers=False)
        self._end: Failure | None = None

    async def prepare(self, login: RedisLogin, role: str) -> None:
        """
        Log in, and check that the server can be used.  (The TLS handshake happens here too, after the TCP connection.)

        Raises :class:`RedisRefused` if it cannot be used, for example because it does not have the ``role``, or the
        error that ended the connection.
        """
        try:
            if login.password is not None:
                await self.execute_command("AUTH", *([login.username] if login.username else []), login.password)
            if login.database:
                await self.execute_command("SELECT", login.database)
            await self.execute_command("PING")
            actual = await self._role()
        except ResponseError as error:
            raise RedisRefused(str(error)) from None
        except RedisError:
            raise self._reason() from None
        if actual not in (role, None):
            raise RedisRefused(f"its role is {actual}, not {role}")

    async def _role(self) -> str | None:
        try:
            answer = await self.execute_command("ROLE")
        except ResponseError:
            # ROLE may be forbidden; then a replica is found out when it refuses a write.
            return None
        return str(answer[0], "ascii")

    def abort(self) -> None:
        """Close the connection at once: all calls on it fail."""
        self.transport.abortConnection()

    def dataReceived(self, data: bytes, unpause: bool = False) -> None:
        try:
            super().dataReceived(data, unpause)
        except RedisError:
            # The server does not speak the Redis protocol.
            self.connectionLost(Failure())
            self.abort()

    def connectionLost(self, reason: Failure) -> None:
        self._end = self._end or reason
        super().connectionLost(reason)

    def _reason(self) -> Exception:
        end = self._end.value if self._end else None
        if isinstance(end, Exception) and not isinstance(end, ConnectionDone):
            return end
        return RedisRefused("it closes connections at once")

    def _build_command(self, *arguments: Argument, **_: object) -> bytes:
        # Six times as fast as the method of the base class, which matters for bulk lookups.
        parts = [b"*%d\r\n" % len(arguments)]
        for argument in arguments:
            data = argument if isinstance(argument, bytes) else str(argument).encode()
            parts += (b"$%d\r\n" % len(data), data, b"\r\n")
        return b"".join(parts)
