"""Find the PostgreSQL server that can be written to, and make a session on it what we need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.conninfo import make_conninfo
from twisted.internet.defer import Deferred, FailureGroup, race
from twisted.internet.interfaces import IAddress, IHostResolution, IResolutionReceiver
from zope.interface import implementer

from ...config.storage import PostgreSQL as Settings
from ...log import Logger
from ...reactor import IReactor
from .connection import Lost, PostgreSQLConnection
from .schema import APPLICATION_NAME, upgrade, version
from .statement import Statement, statement

log = Logger()

PORT = 5432

# What we build on: each statement sees what was committed before it began, and what is committed is on a disk.
_STATE = statement(
    """SELECT pg_backend_pid() AS pid, current_setting('server_encoding') AS encoding,
           current_setting('transaction_isolation') AS isolation,
           current_setting('synchronous_commit') = 'off' AS forgets, current_setting('fsync') = 'off' AS careless"""
)


class Unfit(Exception):
    """The server was reached, but cannot be used; the message says why."""


class Servers:
    """Those that a configuration names.  Of several, one that can be written to is used, whichever that is just now."""

    def __init__(self, settings: Settings, reactor: IReactor) -> None:
        server = settings.server
        self.name = f"PostgreSQL at {', '.join(_shown(host, port) for host, port in server.hosts)}"
        self._server = server
        self._reactor = reactor
        self._has_warned = False
        # The server gives up a statement before we do: then the connection is still good.
        limit = f"{settings.timeout.total_seconds() * 900:.0f}ms"
        self._settings = {"statement_timeout": limit, **server.settings}
        self._arguments = {
            **server.arguments,
            "application_name": APPLICATION_NAME,
            "target_session_attrs": "read-write",
            # libpq would wait for a ticket, and nothing else could go on meanwhile.
            "gssencmode": "disable",
        }

    async def connect(self) -> PostgreSQLConnection:
        """Make a connection to the session that we need.  Raises any error that prevents it."""
        connection = await self._first()
        try:
            await self._prepare(connection)
        except BaseException:
            connection.abort()
            raise
        return connection

    async def settle(self, connection: PostgreSQLConnection) -> None:
        """See to it that the tables are in the current version.  Raises any error that prevents it."""
        await upgrade(connection, self._server.settings.get("search_path"))

    async def version(self) -> int:
        """The version of the tables, 0 if there are none; nothing is made.  Raises as :meth:`connect` does."""
        connection = await self._first()
        try:
            await self._prepare(connection)
            return await version(connection)
        finally:
            connection.abort()

    async def _first(self) -> PostgreSQLConnection:
        attempts = [Deferred.fromCoroutine(self._reach(host, port or PORT)) for host, port in self._server.hosts]
        try:
            _, found = await race(attempts)
        except FailureGroup as group:
            reasons = "; ".join(dict.fromkeys(failure.getErrorMessage() for failure in group.failures))
            raise Lost(reasons) from None
        return found

    async def _reach(self, host: str, port: int) -> PostgreSQLConnection:
        """Connect to a host at the first of its addresses where that can be done."""
        failure: Lost | None = None
        for address in await self._addresses(host):
            for password in self._server.passwords:
                where = {"host": host, "hostaddr": address, "port": port, "password": password}
                known = {name: value for name, value in where.items() if value is not None}
                connection = PostgreSQLConnection(self._reactor)
                try:
                    await connection.connect(make_conninfo(**{**self._arguments, **known}))
                except Lost as lost:
                    failure = failure or lost
                except BaseException:
                    connection.abort()
                    raise
                else:
                    return connection
        raise failure or Lost(f"there is no address of {host}")

    async def _addresses(self, host: str) -> Sequence[str | None]:
        if host.startswith("/") or "hostaddr" in self._arguments:
            return [None]
        receiver = _Addresses()
        self._reactor.nameResolver.resolveHostName(receiver, host)
        return await receiver.complete

    async def _prepare(self, connection: PostgreSQLConnection) -> None:
        """Raises :class:`Unfit`, :class:`~.connection.PostgreSQLError`, :class:`~.connection.Lost`."""
        ((state,),) = await connection.step([_STATE])
        if state["encoding"] != "UTF8":
            raise Unfit(f"its database has the encoding {state['encoding']}; mxisd needs one with UTF8")
        if state["isolation"] != "read committed":
            raise Unfit(f"default_transaction_isolation is '{state['isolation']}'; mxisd needs 'read committed'")
        self._warn_once(state)
        wanted = self._settings | ({"synchronous_commit": "on"} if state["forgets"] else {})
        # A pooler has made up the process of which it told.  Behind it, nothing outlives a transaction.
        is_ours = state["pid"] == connection.pid
        settings = _set(wanted, local=not is_ours)
        if is_ours:
            await connection.step([settings])
            connection.prepares = self._server.prepares
        else:
            connection.prelude = [settings]

    def _warn_once(self, state: dict[str, Any]) -> None:
        if state["careless"] and not self._has_warned:
            self._has_warned = True
            log.warn("{server} loses data when its machine crashes ('fsync = off')", server=self.name)


def _set(settings: Mapping[str, str], *, local: bool) -> Statement:
    return statement(
        """SELECT set_config(name, value, :local)
           FROM unnest(:names::text[], :settings::text[]) AS settings (name, value)""",
        local=local,
        names=list(settings),
        settings=list(settings.values()),
    )


def _shown(host: str, port: int | None) -> str:
    return host if host.startswith("/") else f"{host}:{port or PORT}"


@implementer(IResolutionReceiver)
class _Addresses:
    """Collects the addresses of a host."""

    def __init__(self) -> None:
        self.complete: Deferred[list[str]] = Deferred()
        self._found: list[str] = []

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:  # noqa: N803
        """Nothing to do."""

    def addressResolved(self, address: IAddress) -> None:
        host = getattr(address, "host", None)
        if isinstance(host, str) and host not in self._found:
            self._found.append(host)

    def resolutionComplete(self) -> None:
        if not self.complete.called:
            self.complete.callback(self._found)
