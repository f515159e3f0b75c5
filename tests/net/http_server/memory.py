"""The HTTP server without sockets."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.resource import IResource

from mxisd.net.http_server import HttpServer, Limits, Refusal
from mxisd.net.http_server.server import ErrorPage
from mxisd.net.networks import Network


def plain(refusal: Refusal) -> tuple[dict[bytes, bytes], bytes]:
    """An error page."""
    return {b"Content-Type": b"text/plain"}, refusal.reason.encode()


class Transport(StringTransport):
    """A connection of a client that reads what it is sent."""

    aborted = False
    half_closed = False

    def abortConnection(self) -> None:
        self.aborted = True
        super().abortConnection()

    def loseWriteConnection(self) -> None:
        self.half_closed = True


class Server:
    """A server of a resource tree, with time to turn."""

    def __init__(
        self,
        resource: IResource,
        limits: Limits | None = None,
        proxies: tuple[Network, ...] = (),
        error_page: ErrorPage = plain,
    ) -> None:
        self.clock = Clock()
        self.http = HttpServer(resource, self.clock, error_page, limits or Limits(), proxies)

    def connect(self, peer: str = "127.0.0.1") -> tuple[Any, Transport]:
        """A connection: the protocol, which takes what a client sends, and what it writes to."""
        family: Any = IPv6Address if ":" in peer else IPv4Address
        transport = Transport(peerAddress=family("TCP", peer, 4711))
        protocol: Any = self.http.buildProtocol(transport.getPeer())
        protocol.makeConnection(transport)
        return protocol, transport

    def send(self, data: bytes, peer: str = "127.0.0.1") -> bytes:
        """Send these bytes on a connection of their own, and return what comes back."""
        protocol, transport = self.connect(peer)
        protocol.dataReceived(data)
        self.turn()
        protocol.connectionLost()
        return bytes(transport.value())

    def turn(self) -> None:
        """Let connections take turns until all have had theirs."""
        for _ in range(100):
            self.clock.advance(0)
