"""Which requests are read, and how, and which are refused because others might read them otherwise."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from mxisd.net.http_server import HttpRequest, Limits
from tests.net.http_server.memory import Server

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


class Witness(Resource):
    """Remembers what it was asked."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[bytes, bytes, bytes]] = []

    def render(self, request: HttpRequest) -> bytes:
        self.seen.append((request.method, request.uri, request.body))
        return b"answer"


REFUSED: dict[bytes, int] = {
    # The request line (RFC 9112, 3).
    b"GET /a\r\n\r\n": 400,
    b"GET /a HTTP/1.1\nHost: x\n\n": 400,
    b"GET /a HTTP/1.1\nHost: x\r\n\r\n": 400,
    b"GET  /a HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET /a  HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET\t/a HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET /a\tHTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET /a HTTP/1.1 \r\nHost: x\r\n\r\n": 400,
    b" GET /a HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET /a HTTP/1.1\r\r\nHost: x\r\n\r\n": 400,
    b"GET /a http/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET /a HTTP/1.10\r\nHost: x\r\n\r\n": 400,
    b"GET /a HTTP/01.1\r\nHost: x\r\n\r\n": 400,
    b"GET /a HTTP/0.9\r\nHost: x\r\n\r\n": 505,
    b"GET /a HTTP/1.2\r\nHost: x\r\n\r\n": 505,
    b"GET /a HTTP/2.0\r\nHost: x\r\n\r\n": 505,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": 505,
    b"GET /a ICE/1.0\r\nHost: x\r\n\r\n": 400,
    b"SETUP /a RTSP/1.0\r\nHost: x\r\n\r\n": 400,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n": 400,
    b"BREW /a HTTP/1.1\r\nHost: x\r\n\r\n": 405,
    b"get /a HTTP/1.1\r\nHost: x\r\n\r\n": 405,
    b"G\x00T /a HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    # The target: absolute, authority and asterisk form, and what is none.
    b"GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET HTTP://evil/a HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET https:/a HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n": 400,
    b"CONNECT /a HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET x:80 HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET * HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"POST * HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET a HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET ?a HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET  HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET /a?b#c HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET /a\x00 HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET /a\x0b HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET /a\x7f HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    # Host (RFC 9112, 3.2).
    b"GET /a HTTP/1.1\r\n\r\n": 400,
    GET + b"Host: x\r\n\r\n": 400,
    GET + b"host: y\r\n\r\n": 400,
    b"GET /a HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n": 400,
    b"GET /a HTTP/1.1\r\nHost:\r\n\r\n": 400,
    b"GET /a HTTP/1.1\r\nHost: x y\r\n\r\n": 400,
    b"GET /a HTTP/1.1\r\nHost: x/y\r\n\r\n": 400,
    b"GET /a HTTP/1.1\r\nHost: user@x\r\n\r\n": 400,
    b"GET /a HTTP/1.1\r\nHost: x:y\r\n\r\n": 400,
    b"GET /a HTTP/1.1\r\nHost: x:80:80\r\n\r\n": 400,
    b"GET /a HTTP/1.1\r\nHost: [::1\r\n\r\n": 400,
    b"GET /a HTTP/1.1\r\nHost: http://x\r\n\r\n": 400,
    b"GET /a HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n": 400,
    # Header fields (RFC 9112, 5).
    GET + b"A: b\n\r\n": 400,
    GET + b"A: b\nC: d\r\n\r\n": 400,
    GET + b"A: b\rC: d\r\n\r\n": 400,
    GET + b"A: b\r\n c\r\n\r\n": 400,
    GET + b"A: b\r\n\tc\r\n\r\n": 400,
    GET + b" A: b\r\n\r\n": 400,
    GET + b"A : b\r\n\r\n": 400,
    GET + b"A\t: b\r\n\r\n": 400,
    GET + b": b\r\n\r\n": 400,
    GET + b"A\r\n\r\n": 400,
    GET + b"A(: b\r\n\r\n": 400,
    GET + b'A": b\r\n\r\n': 400,
    GET + b"\xc3\xa4: b\r\n\r\n": 400,
    GET + b"A\x00: b\r\n\r\n": 400,
    GET + b"A: b\x00c\r\n\r\n": 400,
    GET + b"A: b\x01\r\n\r\n": 400,
    GET + b"A: b\x7f\r\n\r\n": 400,
    GET + b"A: b\r\n\r\r\n\r\n": 400,
    GET + b"Upgrade: h2c\nA: b\r\n\r\n": 400,
    GET + b"Upgrade: h2c\r\n c\r\n\r\n": 400,
    # The length of a body (RFC 9112, 6).
    POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx": 400,
    POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy": 400,
    POST + b"Content-Length: 1, 1\r\n\r\nx": 400,
    POST + b"Content-Length: +1\r\n\r\nx": 400,
    POST + b"Content-Length: -1\r\n\r\nx": 400,
    POST + b"Content-Length: 0x1\r\n\r\nx": 400,
    POST + b"Content-Length: 1_0\r\n\r\nxxxxxxxxxx": 400,
    POST + b"Content-Length: 1.0\r\n\r\nx": 400,
    POST + b"Content-Length: 1 0\r\n\r\nx": 400,
    POST + b"Content-Length:\r\n\r\n": 400,
    POST + b"Content-Length: \xd9\xa1\r\n\r\nx": 400,
    POST + b"Content-Length: 18446744073709551617\r\n\r\nx": 400,
    POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
    POST + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n": 400,
    POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n": 501,
    POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n": 400,
    POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n": 400,
    POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
    POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n": 400,
    POST + b"Transfer-Encoding: identity\r\n\r\n": 400,
    POST + b"Transfer-Encoding: gzip\r\n\r\n": 400,
    POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n": 400,
    POST + b"Transfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n": 400,
    POST + b"Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n": 400,
    POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n': 400,
    POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n": 400,
    POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n": 400,
    POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n": 400,
    POST + b"Transfer-Encoding:\r\n\r\n": 400,
    b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
    # Chunks (RFC 9112, 7).
    CHUNKED + b"1\nx\r\n0\r\n\r\n": 400,
    CHUNKED + b"1\r\nx\n0\r\n\r\n": 400,
    CHUNKED + b"1\r\nxy\r\n0\r\n\r\n": 400,
    CHUNKED + b"2\r\nx\r\n0\r\n\r\n": 400,
    CHUNKED + b"1 \r\nx\r\n0\r\n\r\n": 400,
    CHUNKED + b" 1\r\nx\r\n0\r\n\r\n": 400,
    CHUNKED + b"0x1\r\nx\r\n0\r\n\r\n": 400,
    CHUNKED + b"+1\r\nx\r\n0\r\n\r\n": 400,
    CHUNKED + b"-1\r\nx\r\n0\r\n\r\n": 400,
    CHUNKED + b"g\r\nx\r\n0\r\n\r\n": 400,
    CHUNKED + b"\r\nx\r\n0\r\n\r\n": 400,
    CHUNKED + b"1;a=\nb\r\nx\r\n0\r\n\r\n": 400,
    CHUNKED + b"1;a\x00\r\nx\r\n0\r\n\r\n": 400,
    CHUNKED + b"10000000000000001\r\nx\r\n0\r\n\r\n": 400,
    CHUNKED + b"1\r\nx\r\n0\r\n\n": 400,
    CHUNKED + b"1\r\nx\r\n0\r\nA: b\n\r\n": 400,
    CHUNKED + b"1\r\nx\r\n0\r\nA\x00: b\r\n\r\n": 400,
    # Expectations (RFC 9110, 10.1.1).
    POST + b"Content-Length: 1\r\nExpect: tea\r\n\r\nx": 417,
}

READ: dict[bytes, tuple[bytes, bytes, bytes]] = {
    GET + b"\r\n": (b"GET", b"/a", b""),
    b"\r\n" + GET + b"\r\n": (b"GET", b"/a", b""),
    b"GET /a?b=c%20d&e HTTP/1.1\r\nHost: x\r\n\r\n": (b"GET", b"/a?b=c%20d&e", b""),
    b"GET //a/../b HTTP/1.1\r\nHost: x\r\n\r\n": (b"GET", b"//a/../b", b""),
    b"GET /%00%2F HTTP/1.1\r\nHost: x\r\n\r\n": (b"GET", b"/%00%2F", b""),
    b'GET /"<>\\^`{|} HTTP/1.1\r\nHost: x\r\n\r\n': (b"GET", b'/"<>\\^`{|}', b""),
    b"PATCH /a HTTP/1.1\r\nhOST: x:80\r\n\r\n": (b"PATCH", b"/a", b""),
    b"GET /a HTTP/1.1\r\nHost: [2001:db8::1]:8090\r\n\r\n": (b"GET", b"/a", b""),
    b"GET /a HTTP/1.1\r\nHost: under_score.example\r\n\r\n": (b"GET", b"/a", b""),
    b"GET /a HTTP/1.0\r\n\r\n": (b"GET", b"/a", b""),
    GET + b"A:\r\n\r\n": (b"GET", b"/a", b""),
    GET + b"A:b\r\nA: \t c \t \r\n\r\n": (b"GET", b"/a", b""),
    GET + b"A: \xff\xc3\xa4\r\n\r\n": (b"GET", b"/a", b""),
    GET + b"A_b.c!#$%&'*+^`|~: b\r\n\r\n": (b"GET", b"/a", b""),
    POST + b"Content-Length: 0\r\n\r\n": (b"POST", b"/a", b""),
    POST + b"Content-Length: 5\r\n\r\n\r\n\r\nx": (b"POST", b"/a", b"\r\n\r\nx"),
    POST + b"Content-Length:  05 \r\n\r\nabcde": (b"POST", b"/a", b"abcde"),
    GET + b"Content-Length: 1\r\n\r\nx": (b"GET", b"/a", b"x"),
    b"POST /a HTTP/1.0\r\nContent-Length: 1\r\n\r\nx": (b"POST", b"/a", b"x"),
    CHUNKED + b"1\r\nx\r\nA\r\n0123\r\n\r\n89\r\n0\r\n\r\n": (b"POST", b"/a", b"x0123\r\n\r\n89"),
    CHUNKED + b"0\r\n\r\n": (b"POST", b"/a", b""),
    CHUNKED + b"0001;a=b;c\r\nx\r\n000;d\r\nTrailer: t\r\nHost: y\r\n\r\n": (b"POST", b"/a", b"x"),
    POST + b"Transfer-Encoding: ChunKed\r\n\r\n1\r\nx\r\n0\r\n\r\n": (b"POST", b"/a", b"x"),
    POST + b"Content-Length: 1\r\nExpect: 100-Continue\r\n\r\nx": (b"POST", b"/a", b"x"),
    # Offers to speak another protocol are not taken.
    GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n": (b"GET", b"/a", b""),
    POST + b"uPGRADE: websocket\r\nConnection: upgrade\r\nContent-Length: 1\r\n\r\nx": (b"POST", b"/a", b"x"),
    CHUNKED[:-2] + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n1\r\nx\r\n0\r\n\r\n": (b"POST", b"/a", b"x"),
}


def answers(data: bytes) -> list[int]:
    """The statuses of answers without bodies that look like one."""
    return [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]]


class ParserTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.witness = Witness()
        self.server = Server(self.witness)

    def test_what_two_readers_could_read_differently_is_refused(self) -> None:
        for sent, status in REFUSED.items():
            got = self.server.send(sent)
            self.assertEqual(answers(got), [status], sent)
            self.assertIn(b"Connection: close\r\n", got, sent)
            self.assertEqual(self.witness.seen, [], sent)

    def test_nothing_is_read_behind_what_is_refused(self) -> None:
        for sent, status in REFUSED.items():
            self.assertEqual(answers(self.server.send(sent + GET + b"\r\n")), [status], sent)
            self.assertEqual(self.witness.seen, [], sent)

    def test_all_else_is_read(self) -> None:
        for sent, seen in READ.items():
            self.witness.seen.clear()
            self.assertEqual(answers(self.server.send(sent)), [200], sent)
            self.assertEqual(self.witness.seen, [seen])

    def test_in_pieces_as_in_one(self) -> None:
        for sent, seen in READ.items():
            for size in (1, 2, 3, 7):
                self.witness.seen.clear()
                protocol, transport = self.server.connect()
                for start in range(0, len(sent), size):
                    protocol.dataReceived(sent[start : start + size])
                    self.server.turn()
                self.assertEqual(answers(transport.value().replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")), [200], sent)
                self.assertEqual(self.witness.seen, [seen], (sent, size))
                protocol.connectionLost()

    def test_one_behind_the_other(self) -> None:
        """Wherever one ends, the next one begins."""
        for first in READ:
            if b"HTTP/1.0" in first:
                continue
            for second in (GET + b"\r\n", CHUNKED + b"1\r\nx\r\n0\r\n\r\n"):
                self.witness.seen.clear()
                sent = first + second * 2
                for size in (len(sent), 5):
                    self.witness.seen.clear()
                    protocol, transport = self.server.connect()
                    for start in range(0, len(sent), size):
                        protocol.dataReceived(sent[start : start + size])
                        self.server.turn()
                    got = transport.value().replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
                    self.assertEqual(answers(got), [200] * 3, (sent, size))
                    self.assertEqual([uri for _, uri, _ in self.witness.seen[1:]], [b"/a"] * 2)
                    protocol.connectionLost()


class SizeTests(SynchronousTestCase):
    limits = Limits(request_line=100, head=300, header_fields=5, body=1000)

    def setUp(self) -> None:
        self.server = Server(Witness(), self.limits)

    def test_a_request_line(self) -> None:
        fits = b"GET /%b HTTP/1.1\r\n" % (b"a" * 84)
        self.assertEqual(len(fits), 100)
        rest = b"Host: x\r\n\r\n"
        self.assertEqual(answers(self.server.send(fits + rest)), [200])
        self.assertEqual(answers(self.server.send(fits.replace(b"/a", b"/aa") + rest)), [414])
        self.assertEqual(answers(self.server.send(b"GET /" + b"a" * 200)), [414], "before its end has come")

    def test_all_header_fields(self) -> None:
        head = GET + b"A: \r\n\r\n"
        fits = head.replace(b"A: ", b"A: " + b"b" * (300 - len(head)))
        self.assertEqual(answers(self.server.send(fits)), [200])
        self.assertEqual(answers(self.server.send(fits.replace(b"A: ", b"A: b"))), [431])
        self.assertEqual(answers(self.server.send(GET + b"A: " + b"b" * 400)), [431], "before their end has come")

    def test_how_many_header_fields(self) -> None:
        self.assertEqual(answers(self.server.send(GET + b"A: b\r\n" * 4 + b"\r\n")), [200])
        self.assertEqual(answers(self.server.send(GET + b"A: b\r\n" * 5 + b"\r\n")), [431])

    def test_chunks_that_are_mostly_framing(self) -> None:
        extension = b"1;" + b"a" * 900 + b"\r\nx\r\n"
        self.assertEqual(answers(self.server.send(CHUNKED + extension * 50 + b"0\r\n\r\n")), [200])
        self.assertEqual(answers(self.server.send(CHUNKED + extension * 100 + b"0\r\n\r\n")), [400])
        trailers = b"0\r\n" + b"A: b\r\n" * 20_000 + b"\r\n"
        self.assertEqual(answers(self.server.send(CHUNKED + trailers)), [400])
        self.assertEqual(answers(self.server.send(CHUNKED + b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n")), [200])
