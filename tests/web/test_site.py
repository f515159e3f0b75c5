"""The HTTP server: what happens before a request reaches an endpoint."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mxisd.net.http_server import Limits
from mxisd.web.endpoint import Answer, Call, Endpoint
from mxisd.web.site import error_page, tree
from tests.net.http_server.memory import Server

BODY_LIMIT = Limits().body

LARGE = BODY_LIMIT * 2


async def size(call: Call) -> object:
    return {"size": len(call.raw_body)}


async def segment(call: Call) -> object:
    return {"segment": call.segment()}


class BodyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = Server(
            tree({"/small": Endpoint(POST=size), "/large": Endpoint(POST=size, body_limit=LARGE)}),
            error_page=error_page,
        )
        self.channel, self.transport = self.server.connect()

    def post(self, path: str, length: int, sent: int | None = None) -> None:
        """Announce a body of a length, and send as much."""
        self.channel.dataReceived(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
        self.channel.dataReceived(b"x" * (length if sent is None else sent))

    def answer(self) -> bytes:
        return bytes(self.transport.value())

    def test_within_the_limit(self) -> None:
        self.post("/small", BODY_LIMIT)
        self.assertIn(b'{"size":%d}' % BODY_LIMIT, self.answer())

    def test_announced_too_large(self) -> None:
        """It is refused before a single byte of it has come."""
        self.post("/small?x=/large", BODY_LIMIT + 1, sent=0)
        self.assertTrue(self.answer().startswith(b"HTTP/1.1 413 "))
        self.assertIn(b"M_TOO_LARGE", self.answer())
        self.assertIn(b"Access-Control-Allow-Origin: *\r\n", self.answer())
        self.assertFalse(self.transport.disconnecting, "the client could not read the answer")

    def test_connection_ends_with_a_refused_body(self) -> None:
        self.post("/small", BODY_LIMIT + 1)
        self.assertEqual(self.answer().count(b"HTTP/1.1"), 1)
        self.assertTrue(self.transport.half_closed)

    def test_too_large_in_chunks(self) -> None:
        self.channel.dataReceived(b"POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(BODY_LIMIT // 1024):
            self.channel.dataReceived(b"400\r\n" + b"x" * 1024 + b"\r\n")
        self.assertEqual(self.answer(), b"")
        self.channel.dataReceived(b"1\r\nx\r\n")
        self.assertTrue(self.answer().startswith(b"HTTP/1.1 413 "))
        self.channel.dataReceived(b"0\r\n\r\n")
        self.assertTrue(self.transport.half_closed)

    def test_a_client_that_goes_on_and_on(self) -> None:
        self.post("/small", 2**40, sent=0)
        for _ in range(20):
            self.channel.dataReceived(b"x" * 2**20)
        self.assertTrue(self.transport.aborted)

    def test_paths_with_a_limit_of_their_own(self) -> None:
        self.post("/large?query", LARGE)
        self.assertIn(b'{"size":%d}' % LARGE, self.answer())
        self.transport.clear()
        self.post("/large", LARGE + 1)
        self.assertTrue(self.answer().startswith(b"HTTP/1.1 413 "))

    def test_connection_is_kept(self) -> None:
        self.post("/small", 1)
        self.post("/small", 2)
        self.assertEqual(self.answer().count(b"HTTP/1.1 200 "), 2)


class AnswerTests(SynchronousTestCase):
    def test_one_that_cannot_be_made(self) -> None:
        """The client learns that there will be none."""

        async def no_json(call: Call) -> object:
            return object()

        async def two_fields(call: Call) -> object:
            return Answer(302, {b"Location": b"/\r\nSet-Cookie: a=b"}, b"")

        server = Server(tree({"/json": Endpoint(GET=no_json), "/fields": Endpoint(GET=two_fields)}))
        for path in (b"/json", b"/fields"):
            protocol, transport = server.connect()
            protocol.dataReceived(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)
            self.assertTrue(transport.aborted)
            self.assertEqual(transport.value(), b"")
        self.assertEqual(len(self.flushLoggedErrors()), 2)


class TreeTests(SynchronousTestCase):
    def get(self, path: str) -> bytes:
        paths = {"/a/{x}": Endpoint(GET=segment), "/a/b": Endpoint(GET=size), "/a/{x}/c": Endpoint(GET=segment)}
        return Server(tree(paths)).send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).partition(b"\r\n\r\n")[2]

    def test_names_come_before_parameters(self) -> None:
        self.assertEqual(self.get("/a/b"), b'{"size":0}')
        self.assertEqual(self.get("/a/other"), b'{"segment":"other"}')
        self.assertEqual(self.get("/a/other/c"), b'{"segment":"c"}')

    def test_parameters_are_decoded(self) -> None:
        self.assertEqual(self.get("/a/%C3%A4%2Fb"), '{"segment":"ä/b"}'.encode())

    def test_nothing_is_no_parameter(self) -> None:
        for path in ("/a/", "/a//c", "/a", "/a/other/", "/a/other/d"):
            self.assertIn(b"M_UNRECOGNIZED", self.get(path))

    def test_words_of_the_api_have_one_spelling(self) -> None:
        for path in ("/%61/b", "/a/%62", "/%61/other", "/a/other/%63", "/a/%C3%A4/%63", "/%2561/b", "/A/b"):
            self.assertIn(b"M_UNRECOGNIZED", self.get(path), path)
        self.assertEqual(self.get("/a/%62b"), b'{"segment":"bb"}')
