from collections.abc import Awaitable
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

from mxisd.net import connection
from mxisd.net.dns import Resolver
from mxisd.net.errors import (
    AddressRefused,
    ConnectionFailed,
    NameUnknown,
    NotJson,
    OutboundError,
    TimedOut,
    TlsFailed,
    TooLarge,
    UrlRefused,
)
from mxisd.net.hosts import host_port
from mxisd.net.http_client import DEFAULT_TIMEOUT, HttpClient, HttpResponse
from mxisd.net.tls import CaFileError, Trust
from tests.net.nameserver import NameServer
from tests.net.servers import Authority, Script, Server, site

LOOPBACK = [ip_network("127.0.0.1/32"), ip_network("::1/128")]
HOSTS = "127.0.0.1 good.example other.example\n127.0.0.2 elsewhere.example\n10.0.0.1 private.example\n"


class ClockedReactor:
    """Real sockets, but time passes as the test says."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.seconds = clock.seconds

    def callLater(self, delay: float, function: Any, *args: Any, **kwargs: Any) -> Any:
        # What is due at once waits for the sockets, not for time.
        return (self._clock if delay else reactor).callLater(delay, function, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)


class OutboundTestCase(TestCase):
    def setUp(self) -> None:
        self.authority = Authority(Path(self.mktemp()))
        self.names = NameServer(reactor)
        self.addCleanup(self.names.stop)
        self.hosts = Path(self.mktemp())
        self.hosts.write_text(HOSTS)
        self.clock = Clock()

    def outbound(self, *, insecure: tuple[str, ...] = (), allowed: Any = LOOPBACK, reactor: Any = None) -> HttpClient:
        reactor = reactor or ClockedReactor(self.clock)
        made = HttpClient(
            reactor,
            Resolver(reactor, [self.names.address], str(self.hosts)),
            Trust(self.authority.path, [host_port(entry) for entry in insecure]),
            allowed,
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(made.close()))
        return made

    def serve(self, factory: Any, *hosts: str, interface: str = "127.0.0.1") -> Server:
        """A server with a certificate for the hosts; without TLS if there are none."""
        tls = self.authority.issue(*hosts) if hosts else None
        server = Server(reactor, factory, tls, interface)
        self.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        return server

    async def fails(self, expected: type[OutboundError], request: Awaitable[object]) -> str:
        with self.assertRaises(expected) as raised:
            await request
        self.assertIs(type(raised.exception), expected, raised.exception)
        return str(raised.exception)


class RequestTests(OutboundTestCase):
    async def test_sends_and_receives(self) -> None:
        def answer(request: Any) -> bytes:
            request.setResponseCode(418)
            request.setHeader("X-Of", request.getHeader("X-With"))
            return msgspec.json.encode(
                [request.method, request.uri, request.content.read(), request.getHeader("host")]
                + [request.getHeader(name) for name in ("content-type", "accept-encoding", "cookie")]
            )

        server = self.serve(site(answer))
        answered = await self.outbound().request(
            "PUT", f"http://good.example:{server.port}/p?q=%20", json={"a": 1}, headers={"X-With": "ö"}
        )
        self.assertEqual(answered.status, 418)
        self.assertEqual(answered.headers["x-of"], "ö".encode().decode("latin-1"))
        self.assertEqual(
            answered.json(),
            ["UFVU", "L3A/cT0lMjA=", "eyJhIjoxfQ==", f"good.example:{server.port}", "application/json", None, None],
        )

    async def test_strangers_set_no_cookies(self) -> None:
        seen = []

        def answer(request: Any) -> bytes:
            seen.append(request.getHeader("cookie"))
            request.addCookie("a", "b")
            return b""

        server = self.serve(site(answer))
        outbound = self.outbound()
        for _ in range(2):
            await outbound.request("GET", f"http://good.example:{server.port}/")
        self.assertEqual(seen, [None, None])

    async def test_refuses_odd_urls(self) -> None:
        outbound = self.outbound()
        for url in (
            "ftp://good.example/",
            "file:///etc/passwd",
            "good.example",
            "http://",
            "http:///path",
            "http://user@good.example/",
            "http://user:pw@good.example/",
            "http://good.example:0/",
            "http://good.example:65536/",
            "http://good.example:http/",
            "http://good.example/a b",
            "http://good.example/\r\nX: y",
            "http://göod.example/",
            "http://[::1/",
        ):
            await self.fails(UrlRefused, outbound.request("GET", url))

    async def test_messages_keep_queries_secret(self) -> None:
        message = await self.fails(
            NameUnknown, self.outbound().request("GET", "https://none.example/path?access_token=secret")
        )
        self.assertIn("https://none.example/path", message)
        self.assertNotIn("secret", message)

    async def test_connections_are_kept(self) -> None:
        server = self.serve(site(lambda request: b"ok"), "good.example")
        outbound = self.outbound()
        for _ in range(3):
            await outbound.request("GET", f"https://good.example:{server.port}/")
        self.assertEqual(server.connections, 1)

    async def test_connections_that_the_server_closed_are_not_used(self) -> None:
        for host in ((), ("good.example",)):
            script = Script(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            server = self.serve(script, *host)
            outbound, url = self.outbound(), f"{'https' if host else 'http'}://good.example:{server.port}/"
            # Before the client would have closed it by itself, and after.
            for number, wait in enumerate((0.0, 61.0, 1.0, 200.0), start=1):
                await outbound.request("GET", url)
                self.assertEqual(server.connections, number)
                script.hung_up = Deferred()
                server.hang_up()
                await script.hung_up
                self.clock.advance(wait)
            self.assertEqual(self.flushLoggedErrors(), [])

    async def test_a_body_never_goes_out_on_a_kept_connection(self) -> None:
        server = self.serve(site(lambda request: b"ok"))
        outbound = self.outbound()
        for method in ("GET", "POST", "POST", "GET"):
            await outbound.request(method, f"http://good.example:{server.port}/", json=None if method == "GET" else {})
        self.assertEqual(server.connections, 3)

    async def test_connections_are_kept_by_where_they_lead(self) -> None:
        def answer(n: int, request: Any) -> bytes:
            return b"%d" % n

        servers = [self.serve(site(partial(answer, n)), "good.example") for n in range(2)]
        outbound = self.outbound()
        for n, server in enumerate(servers):
            target = ("other.example", server.port)
            answered = await outbound.request("GET", "https://good.example/", connect_to=target)
            self.assertEqual(answered.json(), n)

    async def test_connections_are_not_kept_for_ever_so_many(self) -> None:
        self.patch(connection, "_MAX_POOLED_SERVERS", 2)
        servers = [self.serve(site(lambda request: b"ok")) for _ in range(3)]
        outbound = self.outbound()
        for server in (*servers, servers[0]):
            await outbound.request("GET", f"http://good.example:{server.port}/")
        self.assertEqual([server.connections for server in servers], [2, 1, 1])


class TlsTests(OutboundTestCase):
    async def get(self, outbound: HttpClient, host: str, server: Server) -> HttpResponse:
        return await outbound.request("GET", f"https://{host}:{server.port}/")

    async def test_certificate_of_the_host(self) -> None:
        server = self.serve(site(lambda request: b"1"), "good.example", "127.0.0.1", "::1")
        self.assertEqual((await self.get(self.outbound(), "good.example", server)).json(), 1)
        self.assertEqual((await self.get(self.outbound(), "127.0.0.1", server)).json(), 1)

    async def test_certificate_of_an_ipv6_address(self) -> None:
        try:
            server = self.serve(site(lambda request: b"1"), "::1", interface="::1")
        except CannotListenError as error:
            raise SkipTest("there is no IPv6 here") from error
        self.assertEqual((await self.get(self.outbound(), "[::1]", server)).json(), 1)

    async def test_certificate_of_another_host(self) -> None:
        server = self.serve(site(lambda request: b"1"), "other.example")
        for host in ("good.example", "127.0.0.1"):
            message = await self.fails(TlsFailed, self.get(self.outbound(), host, server))
            self.assertIn("for another host", message)

    async def test_certificate_of_a_name_with_underscores(self) -> None:
        self.hosts.write_text("127.0.0.1 rest_service other_service\n")
        server = self.serve(site(lambda request: b"1"), "rest_service")
        self.assertEqual((await self.get(self.outbound(), "rest_service", server)).json(), 1)
        message = await self.fails(TlsFailed, self.get(self.outbound(), "other_service", server))
        self.assertIn("for another host", message)

    async def test_certificate_of_no_host(self) -> None:
        for name in ("*", "*.example"):
            server = self.serve(site(lambda request: b"1"), name)
            message = await self.fails(TlsFailed, self.get(self.outbound(), "good.example", server))
            self.assertIn("for another host", message)

    async def test_unknown_authority(self) -> None:
        server = self.serve(site(lambda request: b"1"), "good.example")
        self.authority = Authority(Path(self.mktemp()))
        message = await self.fails(TlsFailed, self.get(self.outbound(), "good.example", server))
        self.assertIn("certificate verify failed", message)

    async def test_no_tls_at_all(self) -> None:
        server = self.serve(Script(b"HTTP/1.1 400 Bad Request\r\n\r\n", until=b""))
        await self.fails(TlsFailed, self.get(self.outbound(), "good.example", server))

    async def test_insecure_hosts_are_not_verified(self) -> None:
        server = self.serve(site(lambda request: b"1"), "nobody.example")
        for entry in ("good.example", "GOOD.example", f"good.example:{server.port}"):
            self.assertEqual((await self.get(self.outbound(insecure=(entry,)), "good.example", server)).json(), 1)
        for entry in ("example", "other.example", "good.example:1", "127.0.0.1"):
            await self.fails(TlsFailed, self.get(self.outbound(insecure=(entry,)), "good.example", server))

    async def test_connect_to_does_not_change_who_it_must_be(self) -> None:
        server = self.serve(site(lambda request: request.getHeader("host").encode()), "good.example")
        outbound = self.outbound()
        target = ("other.example", server.port)
        answer = await outbound.request("GET", "https://good.example/", connect_to=target)
        self.assertEqual(answer.body, b"good.example")
        await self.fails(TlsFailed, outbound.request("GET", "https://other.example/", connect_to=target))

    def test_authority_file_without_certificates(self) -> None:
        path = Path(self.mktemp())
        self.assertIn(str(path), str(self.assertRaises(CaFileError, Trust, str(path))))
        path.write_text("nothing\n")
        self.assertIn(str(path), str(self.assertRaises(CaFileError, Trust, str(path))))


class PrivateAddressTests(OutboundTestCase):
    async def test_no_way_to_loopback(self) -> None:
        server = self.serve(Script())
        self.names.zone = {
            "rebind.example": ["A 127.0.0.1"],
            "mapped.example": ["AAAA ::ffff:127.0.0.1"],
            "six.example": ["AAAA ::1"],
            "alias.example": ["CNAME rebind.example", "A 127.0.0.1"],
        }
        outbound = self.outbound(allowed=())
        for host in (
            *("127.0.0.1", "127.0.0.2", "[::2]", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]"),
            *("[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "[fe80::1]", "169.254.169.254", "10.0.0.1"),
            *("good.example", "private.example", "good.example."),
            *self.names.zone,
        ):
            message = await self.fails(AddressRefused, outbound.request("GET", f"http://{host}:{server.port}/"))
            self.assertIn("allowedNetworks", message)
        for host in ("127.1", "0x7f.1", "2130706433", "0177.0.0.1", "127.0.0.1.", "localhost.example"):
            with self.assertRaises(OutboundError, msg=host):
                await outbound.request("GET", f"http://{host}:{server.port}/")
        target = ("rebind.example", server.port)
        await self.fails(AddressRefused, outbound.request("GET", "https://a.example/", connect_to=target))
        self.assertEqual(server.connections, 0)

    async def test_who_named_the_host_does_not_learn_its_address(self) -> None:
        message = await self.fails(AddressRefused, self.outbound().request("GET", "https://private.example/"))
        self.assertNotIn("10.0.0.1", message)

    async def test_public_and_private_addresses_mixed(self) -> None:
        self.names.zone["mixed.example"] = ["A 10.0.0.1", "A 127.0.0.1"]
        server = self.serve(site(lambda request: b"1"))
        answer = await self.outbound().request("GET", f"http://mixed.example:{server.port}/")
        self.assertEqual(answer.json(), 1)


class RedirectTests(OutboundTestCase):
    def redirecting(self, *locations: str) -> tuple[HttpClient, str, list[dict[str, str]]]:
        """A server at the URL returned that redirects from each location to the next; the last one is an answer."""
        seen: list[dict[str, str]] = []

        def answer(request: Any) -> bytes:
            seen.append({k.decode(): v[0].decode() for k, v in request.requestHeaders.getAllRawHeaders()})
            place = int(request.uri.strip(b"/") or 0)
            if place < len(locations):
                request.setResponseCode(302)
                request.setHeader("Location", locations[place].format(port=server.port))
            return b"%d" % place

        server = self.serve(site(answer), "good.example", "elsewhere.example")
        return self.outbound(), f"https://good.example:{server.port}/0", seen

    async def test_not_followed_unless_asked(self) -> None:
        outbound, url, seen = self.redirecting("/1")
        self.assertEqual((await outbound.request("GET", url)).status, 302)
        self.assertEqual(len(seen), 1)

    async def test_followed_as_often_as_asked_without_our_headers(self) -> None:
        outbound, url, seen = self.redirecting("/1", "https://good.example:{port}/2", "//good.example:{port}/3", "/4")
        answer = await outbound.request("GET", url, headers={"Authorization": "secret"}, redirects=3)
        self.assertEqual((answer.status, answer.body), (302, b"3"))
        self.assertEqual(["Authorization" in headers for headers in seen], [True, False, False, False])

    async def test_https_only(self) -> None:
        for location in ("http://good.example:{port}/1", "ftp://good.example/", "file:///etc/passwd", "//[", "data:,1"):
            outbound, url, seen = self.redirecting(location)
            await self.fails(UrlRefused, outbound.request("GET", url, redirects=5))
            self.assertEqual(len(seen), 1)

    async def test_to_a_private_address(self) -> None:
        for location in ("https://elsewhere.example:{port}/1", "https://127.0.0.2:{port}/1", "https://10.0.0.1/"):
            outbound, url, _ = self.redirecting(location)
            await self.fails(AddressRefused, outbound.request("GET", url, redirects=5))


HEAD = b"HTTP/1.1 200 OK\r\n"


class SizeTests(OutboundTestCase):
    async def capped(self, script: Script) -> str:
        server = self.serve(script, "good.example")
        url = f"https://good.example:{server.port}/"
        message = await self.fails(TooLarge, self.outbound().request("GET", url, max_bytes=1000))
        await script.hung_up
        return message

    async def test_cut_off_although_the_server_goes_on(self) -> None:
        body = b"x" * 1001
        await self.capped(Script(HEAD + b"\r\n" + body))
        await self.capped(Script(HEAD + b"Content-Length: 1001\r\n\r\n" + body))
        await self.capped(Script(HEAD + b"Content-Length: 999999999999\r\n\r\n" + body))
        await self.capped(Script(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + body))

    async def test_headers_are_limited_too(self) -> None:
        self.patch(connection, "MAX_WIRE_BYTES", 100_000)
        await self.capped(Script(HEAD + b"X: y\r\n" * 20_000))
        await self.capped(Script(b"HTTP/1.1 100 Continue\r\n\r\n" * 5000))

    async def test_the_limit_itself_is_fine(self) -> None:
        for framing in (b"Content-Length: 1000\r\n\r\n", b"\r\n"):
            server = self.serve(Script(HEAD + framing + b"x" * 1000, close=True))
            answer = await self.outbound().request("GET", f"http://good.example:{server.port}/", max_bytes=1000)
            self.assertEqual(answer.body, b"x" * 1000)

    async def test_shorter_than_promised(self) -> None:
        server = self.serve(Script(HEAD + b"Content-Length: 1000\r\n\r\nx", close=True))
        await self.fails(ConnectionFailed, self.outbound().request("GET", f"http://good.example:{server.port}/"))


class TroubleTests(OutboundTestCase):
    async def test_one_deadline_for_all(self) -> None:
        for sent in (b"", b"HTTP/1.1 200", HEAD + b"X: y\r\n", HEAD + b"Content-Length: 9\r\n\r\nx"):
            script = Script(sent)
            server = self.serve(script, "good.example")
            url = f"https://good.example:{server.port}/"
            request = Deferred.fromCoroutine(self.outbound().request("GET", url + "?secret", timeout=7))
            await script.asked
            self.clock.advance(6.9)
            self.assertNoResult(request)
            self.clock.advance(0.2)
            message = await self.fails(TimedOut, request)
            self.assertIn(f"{url} within 7 seconds", message)
            await script.hung_up

    async def test_a_late_answer_to_a_body(self) -> None:
        script = Script()
        server = self.serve(script, "good.example")
        request = Deferred.fromCoroutine(
            self.outbound().request("POST", f"https://good.example:{server.port}/", json={})
        )
        await script.asked
        self.clock.advance(10)
        self.assertTrue(self.failureResultOf(request, TimedOut).value.sent)
        await script.hung_up

    async def test_whether_a_body_may_have_arrived(self) -> None:
        async def arrived(url: str, body: bytes | None = b"{}", timeout: float = DEFAULT_TIMEOUT) -> bool:
            with self.assertRaises(OutboundError) as raised:
                await self.outbound(reactor=reactor).request("POST", url, body=body, timeout=timeout)
            return bool(raised.exception.sent)

        closing = self.serve(Script(close=True), "good.example")
        self.assertTrue(await arrived(f"https://good.example:{closing.port}/"))
        self.assertFalse(await arrived(f"https://good.example:{closing.port}/", None))
        self.assertFalse(await arrived(f"https://other.example:{closing.port}/"))
        # Where TLS should have been agreed on first, which the server waits for the end of.
        plain = self.serve(Script(close=True))
        self.assertFalse(await arrived(f"https://good.example:{plain.port}/", timeout=0.5))
        self.assertTrue(await arrived(f"http://good.example:{plain.port}/"))
        self.assertFalse(await arrived(f"https://private.example:{closing.port}/"))
        self.assertFalse(await arrived("https://none.example/"))
        await closing.stop()
        self.assertFalse(await arrived(f"https://good.example:{closing.port}/"))

    async def test_time_passes_while_resolving(self) -> None:
        self.names.silent.add("slow.example")
        request = Deferred.fromCoroutine(self.outbound().request("GET", "https://slow.example/", timeout=7))
        self.clock.advance(7)
        await self.fails(TimedOut, request)
        self.clock.pump([7, 7, 7])  # for the resolver to give up too

    async def test_cancelled_by_the_caller(self) -> None:
        script = Script()
        server = self.serve(script, "good.example")
        request = Deferred.fromCoroutine(self.outbound().request("GET", f"https://good.example:{server.port}/"))
        await script.asked
        request.cancel()
        await script.hung_up
        self.failureResultOf(request)

    async def test_nobody_listens(self) -> None:
        server = self.serve(Script())
        await server.stop()
        url = f"https://good.example:{server.port}/"
        message = await self.fails(ConnectionFailed, self.outbound(reactor=reactor).request("GET", url))
        self.assertIn("refused", message)

    async def test_no_such_host(self) -> None:
        await self.fails(NameUnknown, self.outbound().request("GET", "https://none.example/"))
        self.names.failing.add("broken.example")
        await self.fails(ConnectionFailed, self.outbound().request("GET", "https://broken.example/"))

    async def test_broken_answers(self) -> None:
        for sent in (
            b"",
            b"SSH-2.0-OpenSSH\r\n\r\n",
            b"HTTP/1.1 OK\r\n\r\n",
            HEAD + b"Content-Length: x\r\n\r\n",
            HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
            HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
            HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            HEAD + b"X" * 20_000,
        ):
            server = self.serve(Script(sent, close=True))
            await self.fails(ConnectionFailed, self.outbound().request("GET", f"http://good.example:{server.port}/"))
        self.flushLoggedErrors()


class AnswerTests(SynchronousTestCase):
    def test_what_is_not_json(self) -> None:
        for body in (b"", b"<html>", b"[" * 100_000, b'"\xff"', b"NaN", b"{}{}", b'"\\ud800"'):
            error = self.assertRaises(NotJson, HttpResponse(200, {}, body, "https://a.example/b").json)
            self.assertIn("https://a.example/b", str(error))

    def test_form(self) -> None:
        self.assertEqual(HttpResponse(200, {}, b'{"a": 1}').decode(dict[str, int]), {"a": 1})
        error = self.assertRaises(NotJson, HttpResponse(200, {}, b'{"a": "b"}').decode, dict[str, int])
        self.assertIn("Expected `int`", str(error))

    def test_which_errors_may_pass(self) -> None:
        self.assertTrue(all(error("").retryable for error in (TimedOut, ConnectionFailed, TlsFailed)))
        self.assertFalse(any(error("").retryable for error in (AddressRefused, UrlRefused, TooLarge, NotJson)))
