import json
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import ITransport
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer

from mxisd.matrix.error import MatrixError
from mxisd.web.proxy import HOMESERVER_TIMEOUT, HomeserverUrls
from tests.web.interception.app import InterceptionTestCase
from tests.web.interception.test_invite import INVITE, ROOM

BY_ID = {"user_id": "@bob:example.com"}


class HomeserversTests(SynchronousTestCase):
    def test_only_configured_names_lead_anywhere(self) -> None:
        servers = HomeserverUrls(
            {"Matrix.example.org": "http://one", "other.example:8448": "http://two"}, otherwise=None
        )
        for host, url in [
            ("matrix.example.org", "http://one"),
            ("MATRIX.example.org:443", "http://one"),
            ("other.example:8448", "http://two"),
        ]:
            self.assertEqual(servers.behind(host), url)
        for host in ("other.example", "example.org", "matrix.example.org.evil.example", "", "127.0.0.1:22", "[::1]"):
            self.assertEqual(self.failed(servers, host), (404, "M_NOT_FOUND"))

    def failed(self, servers: HomeserverUrls, host: str) -> tuple[int, str]:
        error = self.assertRaises(MatrixError, servers.behind, host)
        return error.status, error.errcode

    def test_one_homeserver_may_stand_behind_all_other_names(self) -> None:
        servers = HomeserverUrls({"a.example": "http://one"}, otherwise="http://all")
        self.assertEqual([servers.behind(host) for host in ("a.example", "b.example")], ["http://one", "http://all"])


class RequestTests(InterceptionTestCase):
    def sent(self, **headers: str) -> dict[str, list[str]]:
        self.request(
            "POST", f"{ROOM}/invite", BY_ID, headers={name.replace("_", "-"): headers[name] for name in headers}
        )
        return self.homeserver.requests[-1].headers

    def test_an_unknown_host_reaches_nothing(self) -> None:
        for host in ("evil.example", "homeserver:8008"):
            answer = self.request("POST", f"{ROOM}/invite", INVITE, headers={"Host": host})
            self.assertEqual((answer.status, answer.json["errcode"]), (404, "M_NOT_FOUND"))
        self.assertEqual(self.homeserver.requests, [])

    def test_a_request_has_one_host(self) -> None:
        for hosts in (b"", b"Host: matrix.example.org\r\nHost: evil.example\r\n"):
            head = b"POST %s/invite HTTP/1.1\r\n%sContent-Length: 2\r\n\r\n{}" % (ROOM.encode(), hosts)
            self.assertEqual(self.raw(head).status, 400)
        self.assertEqual(self.homeserver.requests, [])

    def test_headers_for_the_homeserver_reach_it_and_those_for_a_proxy_do_not(self) -> None:
        sent = self.sent(
            User_Agent="Element",
            Authorization="Bearer alices",
            Connection="keep-alive, X-Hop",
            X_Hop="1",
            TE="trailers",
            Proxy_Authorization="Basic x",
            Upgrade="h2c",
            X_Real_IP="192.0.2.9",
            Forwarded="for=192.0.2.9",
        )
        self.assertEqual((sent["user-agent"], sent["authorization"]), (["Element"], ["Bearer alices"]))
        self.assertEqual(sent["host"], ["matrix.example.org"])
        self.assertEqual(sent["x-forwarded-host"], ["matrix.example.org"])
        for name in ("x-hop", "te", "proxy-authorization", "upgrade", "x-real-ip", "forwarded"):
            self.assertNotIn(name, sent)

    def test_a_trusted_proxy_is_believed_whom_it_speaks_for(self) -> None:
        for claimed, address in [
            ("203.0.113.7", "203.0.113.7"),
            ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
            ("198.51.100.1, 203.0.113.7, 127.0.0.2", "203.0.113.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("unknown", "unknown"),
            ("203.0.113.7, nonsense", "unknown"),
        ]:
            sent = self.sent(X_Forwarded_For=claimed, X_Forwarded_Proto="https")
            self.assertEqual((sent["x-forwarded-for"], sent["x-forwarded-proto"]), ([address], ["https"]), claimed)

    def test_nobody_else_is(self) -> None:
        headers = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
        self.request("POST", f"{ROOM}/invite", BY_ID, headers=headers, peer="192.0.2.1")
        sent = self.homeserver.requests[-1].headers
        self.assertEqual((sent["x-forwarded-for"], sent["x-forwarded-proto"]), (["192.0.2.1"], ["http"]))


class AnswerTests(InterceptionTestCase):
    def test_passes_unchanged(self) -> None:
        def answer(request: Request) -> bytes:
            request.setResponseCode(429, b"Slow Down")
            request.responseHeaders = Headers(
                {
                    b"Content-Type": [b"application/x-odd"],
                    b"Retry-After": [b"7"],
                    b"Set-Cookie": [b"a=1", b"b=2"],
                    b"Date": [b"Thu, 01 Jan 1970 00:00:00 GMT"],
                    b"Server": [b"Synapse/1"],
                    b"Access-Control-Allow-Origin": [b"https://app.example"],
                    b"Keep-Alive": [b"timeout=5"],
                }
            )
            return b'{ "errcode":"M_LIMIT_EXCEEDED" }\n'

        self.homeserver.answer = answer
        got = self.request("POST", f"{ROOM}/invite", BY_ID)
        self.assertEqual((got.status, got.reason, got.body), (429, "Slow Down", b'{ "errcode":"M_LIMIT_EXCEEDED" }\n'))
        headers = sorted((name.lower(), value) for name, value in got.headers.items())
        self.assertEqual(
            headers,
            [
                ("access-control-allow-origin", "https://app.example"),
                ("content-length", "33"),
                ("content-type", "application/x-odd"),
                ("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
                ("retry-after", "7"),
                ("server", "Synapse/1"),
                ("set-cookie", "a=1"),
                ("set-cookie", "b=2"),
            ],
        )

    def test_what_was_packed_stays_packed(self) -> None:
        def answer(request: Request) -> bytes:
            request.setHeader(b"Content-Encoding", b"gzip")
            return b"\x1f\x8b packed"

        self.homeserver.answer = answer
        got = self.request("POST", f"{ROOM}/invite", BY_ID, headers={"Accept-Encoding": "gzip"})
        self.assertEqual((got.headers["Content-Encoding"], got.body), ("gzip", b"\x1f\x8b packed"))
        self.assertEqual(self.homeserver.requests[-1].headers["accept-encoding"], ["gzip"])

    def test_redirects_are_for_the_client(self) -> None:
        def answer(request: Request) -> bytes:
            request.redirect(b"http://elsewhere.example/")
            return b""

        self.homeserver.answer = answer
        got = self.request("POST", f"{ROOM}/invite", BY_ID)
        self.assertEqual((got.status, got.headers["Location"]), (302, "http://elsewhere.example/"))
        self.assertEqual(len(self.homeserver.requests), 1)

    def test_comes_through_while_it_is_written(self) -> None:
        waiting: list[Request] = []

        def answer(request: Request) -> int:
            waiting.append(request)
            request.write(b"one ")
            return NOT_DONE_YET

        self.homeserver.answer = answer
        channel, transport = self.connect()
        channel.dataReceived(request_bytes())
        self.agent.flush()
        self.assertIn(b"one ", transport.value())
        waiting[0].write(b"two")
        waiting[0].finish()
        self.agent.flush()
        self.assertTrue(transport.value().endswith(b"3\r\ntwo\r\n0\r\n\r\n"))


class PassedBodyTests(InterceptionTestCase):
    """Bodies of requests that are not judged."""

    PATH = "/_matrix/client/v3/rooms/%21room%3Aexample.org/state/m.room.topic"

    def send(self, data: bytes) -> None:
        self.channel.dataReceived(data)
        for _ in range(3):
            self.server.turn()
            self.agent.flush()

    def begin(self, framing: bytes) -> None:
        self.channel, self.transport = self.connect()
        self.send(b"PUT %b HTTP/1.1\r\nHost: matrix.example.org\r\n%b\r\n\r\n" % (self.PATH.encode(), framing))

    def test_of_any_size(self) -> None:
        self.begin(b"Content-Length: 1000000")
        for _ in range(100):
            self.send(b"x" * 10_000)
        self.assertIn(b'{"ok":true}', self.transport.value())
        self.assertEqual(self.homeserver.requests[0].body, b"x" * 1_000_000)
        self.assertEqual(self.homeserver.requests[0].headers["content-length"], ["1000000"])

    def test_in_chunks(self) -> None:
        self.begin(b"Transfer-Encoding: chunked")
        for _ in range(100):
            self.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        self.assertEqual(self.homeserver.requests, [])
        self.send(b"0\r\n\r\n")
        self.assertEqual(self.homeserver.requests[0].body, b"x" * 100_000)

    def test_cut_off(self) -> None:
        self.begin(b"Content-Length: 10")
        self.send(b"x" * 9)
        self.channel.connectionLost(Refused())
        self.agent.flush()
        self.assertEqual(self.homeserver.requests, [])

    def test_for_nobody(self) -> None:
        """The host is not ours: nothing of the body is kept."""
        self.channel, self.transport = self.connect()
        head = b"PUT %b HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 1000000\r\n\r\n" % self.PATH.encode()
        self.send(head)
        self.assertIn(b" 404 ", self.transport.value())
        self.send(b"x" * 1_000_000)
        self.transport.clear()
        self.send(request_bytes())
        self.assertIn(b" 200 ", self.transport.value())

    def test_what_is_judged_is_read_whole(self) -> None:
        self.channel, self.transport = self.connect()
        path = self.PATH.replace("m.room.topic", "m.room.third_party_invite").encode()
        self.send(b"PUT %b HTTP/1.1\r\nHost: matrix.example.org\r\nContent-Length: 1000000\r\n\r\n" % path)
        self.assertIn(b" 413 ", self.transport.value())


def request_bytes(body: object = BY_ID) -> bytes:
    content = json.dumps(body).encode()
    head = f"POST {ROOM}/invite HTTP/1.1\r\nHost: matrix.example.org\r\nAuthorization: Bearer staffs\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(content) + content


@implementer(IAgent)
class Line:
    """A line to a homeserver that never answers by itself; remembers what was asked, and what was given up."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, Deferred[IResponse]]] = []
        self.given_up = 0

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,  # noqa: N803
    ) -> Deferred[IResponse]:
        answer: Deferred[IResponse] = Deferred(self._give_up)
        self.asked.append((uri, answer))
        return answer

    def _give_up(self, _: object) -> None:
        self.given_up += 1


class TroubleTests(InterceptionTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.line = Line()

    def start(self, body: object = BY_ID) -> tuple[Any, StringTransport]:
        self.agent, agent = self.line, self.agent  # type: ignore[assignment]  # any IAgent does
        channel, transport = self.connect()
        self.agent = agent
        channel.dataReceived(request_bytes(body))
        return channel, transport

    def test_a_homeserver_that_is_down_is_a_bad_gateway(self) -> None:
        for body in (BY_ID, INVITE):
            for failure in (Refused(), ResponseFailed([])):
                _, transport = self.start(body)
                self.line.asked[-1][1].errback(failure)
                self.assertIn(b" 502 ", transport.value())
                self.assertIn(b'"errcode":"M_UNKNOWN"', transport.value())
                self.assertIn(b"Access-Control-Allow-Origin: *", transport.value())

    def test_one_that_says_nothing_is_not_waited_for_forever(self) -> None:
        _, transport = self.start()
        self.clock.advance(HOMESERVER_TIMEOUT - 1)
        self.assertEqual(transport.value(), b"")
        self.clock.advance(1)
        self.assertIn(b" 504 ", transport.value())
        self.assertEqual(self.line.given_up, 1)

    def test_a_client_that_goes_away_is_not_worked_for(self) -> None:
        for body in (BY_ID, INVITE):
            self.line.given_up = 0
            channel, transport = self.start(body)
            channel.connectionLost(Refused())
            self.assertEqual((self.line.given_up, transport.value()), (1, b""))
        self.assertEqual(len(self.line.asked), 2)

    def test_an_answer_that_breaks_off_does_not_look_complete(self) -> None:
        class Breaking(Resource):
            isLeaf = True

            def render(self, request: Request) -> int:
                request.setHeader(b"Content-Length", b"1000")
                request.write(b"beginning")
                cast("ITransport", request.transport).loseConnection()
                return NOT_DONE_YET

        self.homeserver.answer = Breaking().render
        channel, transport = self.connect()
        channel.dataReceived(request_bytes())
        for _ in range(3):
            self.agent.flush()
        self.assertIn(b"beginning", transport.value())
        self.assertTrue(transport.disconnected or transport.disconnecting)
