"""Connections to hosts that others name: their addresses are checked, sizes are limited, connections are reused."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import (
    IHandshakeListener,
    IHostResolution,
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import HTTPConnectionPool
from zope.interface import directlyProvides, implementer

from ..log import Logger
from ..reactor import IReactor
from .dns import DnsError, Resolver
from .errors import AddressRefused, ConnectionFailed, NameUnknown, TooLarge
from .networks import Address, Network, may_reach

log = Logger()

# What one answer may bring over the wire: headers and framing have no limit of their own.
MAX_WIRE_BYTES = 8 * 1024 * 1024

# Short enough that there is time for the next place, should nobody be at this one.
_CONNECT_SECONDS = 4
_MAX_POOLED_SERVERS = 100
_IDLE_SECONDS = 60


@implementer(IStreamClientEndpoint)
class FilteredEndpoint:
    """Resolves a host itself and connects to none but the addresses it has judged; over TLS if ``tls`` is given."""

    def __init__(
        self,
        reactor: IReactor,
        resolver: Resolver,
        allowed: Collection[Network],
        address: tuple[str, int],
        tls: IOpenSSLClientConnectionCreator | None,
    ) -> None:
        self.address = address
        self.open = False
        """Whether what is written goes out: the connection is made, and TLS, if there is any, agreed on."""
        self._reactor = reactor
        self._resolver = resolver
        self._allowed = allowed
        self._tls = tls

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: N803
        """Fails with :class:`OutboundError` for what we would not connect to, else as any endpoint."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        host, port = self.address
        try:
            addresses = await self._resolver.addresses(host)
        except DnsError as error:
            raise (ConnectionFailed if error.retryable else NameUnknown)(str(error)) from error
        judged = [address for address in addresses if may_reach(address, self._allowed)]
        if not judged:
            # For the log only: who named the host need not learn where it is.
            log.info("{host} is at {addresses}, outside outbound.allowedNetworks", host=host, addresses=addresses)
            raise AddressRefused(f"{host} is in a private network, and outbound.allowedNetworks does not name that")
        endpoint: IStreamClientEndpoint = HostnameEndpoint(
            _Dialler(self._reactor, judged), str(judged[0]), port, timeout=_CONNECT_SECONDS
        )
        if self._tls is not None:
            endpoint = wrapClientTLS(self._tls, endpoint, self._reactor)
        metering: WrappingFactory[_Metered] = WrappingFactory(factory)
        metering.protocol = lambda factory, wrapped: _Metered(factory, wrapped, self)
        metering.noisy = False
        metered: Any = await endpoint.connect(metering)
        self.open = self.open or self._tls is None
        protocol: IProtocol = metered.wrappedProtocol
        return protocol


def host_endpoint(reactor: IReactor, host: str, port: int, timeout: float = 30) -> IStreamClientEndpoint:
    """
    Twisted's endpoint for a host that the administrator names, wherever it is; ``timeout`` is in seconds.

    Twisted refuses names with underscores, which the services of Compose have.
    """
    if "_" not in host:
        return HostnameEndpoint(reactor, host, port, timeout)
    return HostnameEndpoint(_Renamed(reactor, host), "underscores.invalid", port, timeout)


class _Resolving:
    """The reactor as ``HostnameEndpoint`` uses it, with name resolution of its own."""

    def __init__(self, reactor: IReactor) -> None:
        directlyProvides(self, IReactorPluggableNameResolver)
        self.nameResolver = self
        self.connectTCP = reactor.connectTCP
        self.callLater = reactor.callLater
        self.seconds = reactor.seconds


class _Renamed(_Resolving):
    """Any name is another one."""

    def __init__(self, reactor: IReactor, host: str) -> None:
        super().__init__(reactor)
        self._resolver = reactor.nameResolver
        self._host = host

    def resolveHostName(
        self,
        receiver: IResolutionReceiver,
        host: str,
        portNumber: int = 0,  # noqa: N803
        **options: Any,
    ) -> IHostResolution:
        return self._resolver.resolveHostName(receiver, self._host, portNumber, **options)


class _Dialler(_Resolving):
    """Any name is at the addresses given."""

    def __init__(self, reactor: IReactor, addresses: Iterable[Address]) -> None:
        super().__init__(reactor)
        self._addresses = addresses

    def resolveHostName(
        self,
        receiver: IResolutionReceiver,
        host: str,
        portNumber: int = 0,  # noqa: N803
        **_: object,
    ) -> IHostResolution | None:
        for address in self._addresses:
            family = IPv4Address if address.version == 4 else IPv6Address
            receiver.addressResolved(family("TCP", str(address), portNumber))
        receiver.resolutionComplete()
        return None


@implementer(IHandshakeListener)
class _Metered(ProtocolWrapper):
    """Cuts a peer off that sends more than an answer, and waits for none to say good-bye."""

    received = 0
    flooded = False
    lost = False

    def __init__(self, factory: Any, wrapped: IProtocol, endpoint: FilteredEndpoint) -> None:
        ProtocolWrapper.__init__(self, factory, wrapped)
        self._endpoint = endpoint

    def handshakeCompleted(self) -> None:
        self._endpoint.open = True

    def write(self, data: bytes) -> None:
        self.received = 0
        ProtocolWrapper.write(self, data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.received = 0
        ProtocolWrapper.writeSequence(self, data)

    def dataReceived(self, data: bytes) -> None:
        self.received += len(data)
        if self.received > MAX_WIRE_BYTES:
            self.flooded = True
            self.abortConnection()
        else:
            ProtocolWrapper.dataReceived(self, data)

    def loseConnection(self) -> None:
        # The pool does not notice that the other side closed a connection, and closes it again when it is idle for
        # long.  TLS fails at that; then the pool would keep the connection, and fail at the next request.
        if not self.lost:
            # The polite way leaves the connection open, over TLS even delivering data, for as long as the peer likes.
            self.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = True
        ProtocolWrapper.connectionLost(self, Failure(TooLarge("the answer did not end")) if self.flooded else reason)


class ConnectionPool(HTTPConnectionPool):
    """Idle connections, a few for each of at most so many servers."""

    cachedConnectionTimeout = _IDLE_SECONDS

    def __init__(self, reactor: IReactor) -> None:
        HTTPConnectionPool.__init__(self, reactor)
        self._servers: set[Hashable] = set()

    def getConnection(self, key: Hashable, endpoint: Any) -> Any:
        # One host name may stand for several servers, at the ports where discovery found them.
        key = (key, endpoint.address)
        if key not in self._servers and len(self._servers) >= _MAX_POOLED_SERVERS:
            self._servers.clear()
            HTTPConnectionPool.closeCachedConnections(self)
        self._servers.add(key)
        return HTTPConnectionPool.getConnection(self, key, endpoint)
