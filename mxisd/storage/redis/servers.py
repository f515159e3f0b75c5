"""Find the Redis server: at the address in the configuration, or by asking Sentinels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from twisted.internet.defer import Deferred, FailureGroup, race
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint

from ...config.storage import Redis as Settings
from ...errors import about
from ...net.connection import host_endpoint
from ...net.hosts import HostPort, host_port
from ...net.tls import Trust
from ...reactor import IReactor
from .connection import Connection, RedisLogin, RedisRefused

PORT = 6379
SENTINEL_PORT = 26379

# Makes the endpoint of a host and port, with TLS or without.
Endpoints = Callable[[str, int], IStreamClientEndpoint]


class RedisServer(Protocol):
    """A Redis server to connect to."""

    name: str
    """Its name in messages, without secrets."""

    async def connect(self) -> Connection:
        """Make a connection that is ready for use.  Raises any error that prevents it."""
        ...


def server(settings: Settings, reactor: IReactor) -> RedisServer:
    """The server that a configuration names.  Raises :class:`~mxisd.errors.StartError`."""
    parts = urlsplit(settings.url)
    database = parse_qs(parts.query).get("db", ["0"])[0] if parts.scheme == "unix" else parts.path.strip("/") or "0"
    login = RedisLogin(
        username=settings.username or (unquote(parts.username) if parts.username else None),
        password=settings.password or (unquote(parts.password) if parts.password else None),
        database=int(database),
    )
    if parts.scheme == "unix":
        return Direct(parts.path, UNIXClientEndpoint(reactor, parts.path), login)
    trust = None
    if parts.scheme == "rediss":
        with about("storage.provider.redis.caFile"):
            trust = Trust(settings.ca_file)

    def endpoint(host: str, port: int) -> IStreamClientEndpoint:
        plain = host_endpoint(reactor, host, port)
        return wrapClientTLS(trust.connection_to(host, port), plain) if trust else plain

    if settings.sentinel.servers:
        sentinel_login = RedisLogin(username=settings.sentinel.username, password=settings.sentinel.password)
        return Sentinels(settings.sentinel.servers, settings.sentinel.service, endpoint, sentinel_login, login)
    place = host_port(parts.netloc.rpartition("@")[2])
    port = place.port or PORT
    return Direct(str(place._replace(port=port)), endpoint(place.host, port), login)


class Direct:
    """A server at a fixed address."""

    def __init__(self, name: str, endpoint: IStreamClientEndpoint, login: RedisLogin) -> None:
        self.name = name
        self._endpoint = endpoint
        self._login = login

    async def connect(self) -> Connection:
        return await _connect(self._endpoint, self._login)


class Sentinels:
    """
    The master of a service, according to Sentinels.

    For each new connection all Sentinels are asked at the same time, and the first answer is taken.  If that answer is
    out of date, the server says that it is a replica, and the connection is refused.
    """

    def __init__(
        self,
        sentinels: Sequence[HostPort],
        service: str,
        endpoints: Endpoints,
        sentinel_login: RedisLogin,
        login: RedisLogin,
    ) -> None:
        self.name = f"{service} (Sentinels {', '.join(map(str, sentinels))})"
        self._sentinels = [(sentinel.host, sentinel.port or SENTINEL_PORT) for sentinel in sentinels]
        self._service = service
        self._endpoints = endpoints
        self._sentinel_login = sentinel_login
        self._login = login

    async def connect(self) -> Connection:
        host, port = await self._master()
        try:
            return await _connect(self._endpoints(host, port), self._login)
        except RedisRefused as error:
            raise RedisRefused(f"{host}:{port}: {error}") from None

    async def _master(self) -> tuple[str, int]:
        try:
            _, found = await race([Deferred.fromCoroutine(self._ask(host, port)) for host, port in self._sentinels])
        except FailureGroup as group:
            reasons = "; ".join(dict.fromkeys(failure.getErrorMessage() for failure in group.failures))
            raise RedisRefused(f"no Sentinel knows where it is ({reasons})") from None
        return found

    async def _ask(self, host: str, port: int) -> tuple[str, int]:
        sentinel = await _connect(self._endpoints(host, port), self._sentinel_login, role="sentinel")
        try:
            answer = await sentinel.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
        finally:
            sentinel.abort()
        if answer is None:
            raise RedisRefused(f"{self._service} is not known to {host}:{port}")
        return answer[0].decode(), int(answer[1])


async def _connect(endpoint: IStreamClientEndpoint, login: RedisLogin, role: str = "master") -> Connection:
    """Connect and log in."""
    connection: Connection = await connectProtocol(endpoint, Connection())
    try:
        await connection.prepare(login, role)
    except BaseException:
        connection.abort()
        raise
    return connection
