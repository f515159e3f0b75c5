"""The HTTP server on real connections: TCP, TLS and Unix sockets; and resources of Twisted's on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import clientFromString, serverFromString, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.static import File

from mxisd.net.http_server import HttpRequest, HttpServer, Limits
from tests.net.http_server.memory import plain
from tests.net.http_server.test_parser import answers
from tests.net.servers import Authority

reactor: Any = installed

# More than all buffers between a server and a client have room for.
LARGE = bytes(range(256)) * 80_000
HEAD = b"%b HTTP/1.1\r\nHost: x\r\n%b\r\n"


class Echo(Resource):
    """Answers with what it was sent."""

    isLeaf = True

    def render(self, request: HttpRequest) -> bytes:
        return request.body


class Whole(Resource):
    isLeaf = True

    def render(self, request: HttpRequest) -> bytes:
        return LARGE


class Client(Protocol):
    """Collects what it is sent."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.closed: Deferred[bytes] = Deferred()
        self.pauses = False  # whether it stops reading when something has come
        self.transport: Any

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if self.pauses:
            self.transport.pauseProducing()

    async def answered(self) -> None:
        """Wait until something has come."""
        await until(lambda: self.received)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.closed.callback(bytes(self.received))


async def until(there: Callable[[], object]) -> None:
    """Let the reactor turn until something is there."""
    while not there():
        await deferLater(reactor, 0.01, lambda: None)


class SocketCase(TestCase):
    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "large.bin").write_bytes(LARGE)
        (folder / "page.html").write_text("<p>page")
        (folder / "below").mkdir()
        root = Resource()
        root.putChild(b"files", File(str(folder)))
        root.putChild(b"echo", Echo())
        root.putChild(b"whole", Whole())
        self.server = HttpServer(root, reactor, plain, Limits(body=1_000_000, unread_timeout=600))
        self.folder = folder

    async def endpoints(self) -> list[IStreamClientEndpoint]:
        """Ways to the server: plain, by a file, and encrypted."""
        pem = self.folder / "server.pem"
        pem.write_bytes(Authority(self.folder / "authority.pem").pem("localhost"))
        short = TemporaryDirectory(prefix="mxisd-")
        self.addCleanup(short.cleanup)
        socket = Path(short.name) / "socket"
        tcp = await self.listen("tcp:0:interface=127.0.0.1")
        tls = await self.listen(f"ssl:0:interface=127.0.0.1:privateKey={pem}:certKey={pem}")
        await self.listen(f"unix:{socket}")
        over_tcp = [clientFromString(reactor, f"tcp:127.0.0.1:{port.getHost().port}") for port in (tcp, tls)]
        any_server: Any = CertificateOptions()
        return [over_tcp[0], wrapClientTLS(any_server, over_tcp[1]), clientFromString(reactor, f"unix:{socket}")]

    async def listen(self, description: str) -> Any:
        port = await serverFromString(reactor, description).listen(self.server)
        self.addCleanup(self.server.stop)
        self.addCleanup(lambda: maybeDeferred(port.stopListening))
        return port

    async def connect(self, endpoint: IStreamClientEndpoint, sent: bytes) -> Client:
        client: Any = await endpoint.connect(Factory.forProtocol(Client))
        client.transport.write(sent)
        return cast("Client", client)

    async def ask(self, sent: bytes) -> tuple[bytes, bytes]:
        """Head and body of an answer."""
        port = await self.listen("tcp:0:interface=127.0.0.1")
        endpoint = clientFromString(reactor, f"tcp:127.0.0.1:{port.getHost().port}")
        client = await self.connect(endpoint, sent)
        head, _, body = (await client.closed).partition(b"\r\n\r\n")
        return head, body


def requests() -> Iterator[tuple[bytes, bytes]]:
    """What is sent, and the body that comes back."""
    yield HEAD % (b"GET /whole", b"Connection: close\r\n"), LARGE
    yield HEAD % (b"GET /files/large.bin", b"Connection: close\r\n"), LARGE
    yield HEAD % (b"POST /echo", b"Connection: close\r\nContent-Length: 500000\r\n") + LARGE[:500_000], LARGE[:500_000]
    chunks = b"".join(b"1000\r\n%b\r\n" % LARGE[at : at + 4096] for at in range(0, 409_600, 4096)) + b"0\r\n\r\n"
    head = HEAD % (b"POST /echo", b"Connection: close\r\nTransfer-Encoding: chunked\r\n")
    yield head + chunks, LARGE[:409_600]


class TransportTests(SocketCase):
    async def test_whole_answers(self) -> None:
        for endpoint in await self.endpoints():
            for sent, body in requests():
                client = await self.connect(endpoint, sent)
                self.assertEqual((await client.closed).partition(b"\r\n\r\n")[2], body, (endpoint, sent[:30]))

    async def test_a_client_that_reads_slowly(self) -> None:
        for endpoint in await self.endpoints():
            for sent, body in list(requests())[:2]:
                client = await self.connect(endpoint, sent)
                client.pauses = True
                await client.answered()
                await until(lambda: any(connection.sender.blocked for connection in self.server._connections))
                self.assertLess(len(client.received), len(body))
                client.pauses = False
                client.transport.resumeProducing()
                self.assertEqual((await client.closed).partition(b"\r\n\r\n")[2], body, (endpoint, sent[:30]))

    async def test_a_client_that_goes_away_while_it_is_answered(self) -> None:
        for endpoint in await self.endpoints():
            for sent, _ in list(requests())[:2]:
                client = await self.connect(endpoint, sent)
                await client.answered()
                client.transport.abortConnection()
                await client.closed
                await until(lambda: not self.server._connections)

    async def test_a_refused_client_sees_why(self) -> None:
        """Though it sends on and on."""
        for endpoint in await self.endpoints():
            client = await self.connect(endpoint, HEAD % (b"POST /echo", b"Content-Length: 2000000\r\n"))
            client.transport.write(LARGE[:2_000_000])
            await client.answered()
            self.assertTrue(client.received.startswith(b"HTTP/1.1 413 "))
            client.transport.loseConnection()
            await client.closed

    async def test_turned_away(self) -> None:
        self.server.limits = Limits(connections_per_client=0)
        for endpoint in (await self.endpoints())[:2]:
            client: Any = await endpoint.connect(Factory.forProtocol(Client))
            self.assertEqual(await client.closed, b"")

    async def test_many_requests_at_once(self) -> None:
        get = HEAD % (b"GET /files/page.html", b"")
        last = HEAD % (b"GET /files/page.html", b"Connection: close\r\n")
        for endpoint in await self.endpoints():
            client = await self.connect(endpoint, get * 200 + last)
            self.assertEqual(answers(await client.closed), [200] * 201)


class FileTests(SocketCase):
    """Resources of ``twisted.web.static``."""

    async def test_a_file(self) -> None:
        head, body = await self.ask(HEAD % (b"GET /files/page.html", b"Connection: close\r\n"))
        self.assertIn(b"Content-Type: text/html", head)
        self.assertIn(b"Accept-Ranges: bytes", head)
        self.assertEqual(body, b"<p>page")

    async def test_without_the_body(self) -> None:
        head, body = await self.ask(HEAD % (b"HEAD /files/page.html", b"Connection: close\r\n"))
        self.assertIn(b"Content-Length: 7", head)
        self.assertEqual(body, b"")

    async def test_a_part(self) -> None:
        head, body = await self.ask(HEAD % (b"GET /files/page.html", b"Range: bytes=3-4\r\nConnection: close\r\n"))
        self.assertTrue(head.startswith(b"HTTP/1.1 206 "), head)
        self.assertEqual(body, b"pa")

    async def test_several_parts(self) -> None:
        head, body = await self.ask(HEAD % (b"GET /files/page.html", b"Range: bytes=0-1,3-4\r\nConnection: close\r\n"))
        self.assertTrue(head.startswith(b"HTTP/1.1 206 "), head)
        self.assertIn(b"Content-Length: %d\r\n" % len(body), head + b"\r\n")

    async def test_not_changed(self) -> None:
        head, _ = await self.ask(HEAD % (b"GET /files/page.html", b"Connection: close\r\n"))
        changed = next(line for line in head.split(b"\r\n") if line.startswith(b"Last-Modified: ")).partition(b" ")[2]
        head, body = await self.ask(
            HEAD % (b"GET /files/page.html", b"If-Modified-Since: %b\r\nConnection: close\r\n" % changed)
        )
        self.assertTrue(head.startswith(b"HTTP/1.1 304 "), head)
        self.assertEqual(body, b"")

    async def test_a_folder(self) -> None:
        head, _ = await self.ask(HEAD % (b"GET /files/below", b"Connection: close\r\n"))
        self.assertTrue(head.startswith(b"HTTP/1.1 302 "), head)
        self.assertIn(b"Location: /files/below/", head)
        _, body = await self.ask(HEAD % (b"GET /files/", b"Connection: close\r\n"))
        self.assertIn(b"page.html", body)

    async def test_what_is_not_there(self) -> None:
        for path in (b"/files/no", b"/no", b"/files/..%2fmemory.py", b"/files/../x"):
            head, _ = await self.ask(HEAD % (b"GET " + path, b"Connection: close\r\n"))
            self.assertTrue(head.startswith(b"HTTP/1.1 404 "), head)
