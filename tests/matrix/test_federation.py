import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, cast

from signedjson.key import generate_signing_key
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase

from mxisd.matrix.discovery import Destination, Discovery
from mxisd.matrix.error import MatrixError
from mxisd.matrix.federation import FederationClient, Overwrites
from mxisd.matrix.ids import InvalidIdentifier, split_server_name
from mxisd.matrix.signing import Signer
from mxisd.net.dns import Resolver
from mxisd.net.errors import AddressRefused, ConnectionFailed, OutboundError, TimedOut, TooLarge
from mxisd.net.http_client import HttpClient, HttpResponse
from mxisd.net.networks import ANYWHERE
from mxisd.net.tls import Trust
from mxisd.reactor import installed_reactor
from tests.make import clock_at, result
from tests.matrix.fakes import FakeHttp, Sent, answer
from tests.net.nameserver import NameServer
from tests.net.servers import Authority, Server, site

reactor = installed_reactor()

NOW = 1_700_000_000
HOUR = 3600


class FakeDiscovery:
    def __init__(self) -> None:
        self.targets: tuple[tuple[str, int], ...] = (("host.example", 1),)
        self.delay: Deferred[None] | None = None

    async def resolve(self, server_name: str) -> Destination:
        split_server_name(server_name)
        if self.delay is not None:
            await self.delay
        return Destination(server_name, self.targets)


class FederationTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = clock_at(NOW * 1000)
        self.http = FakeHttp()
        self.discovery = FakeDiscovery()
        self.federation = FederationClient(self.clock, self.http, self.discovery)

    def failure(self, work: Coroutine[Deferred[Any], Any, Any], kind: type[Exception] = MatrixError) -> Any:
        return self.assertRaises(kind, result, work)


class RequestTests(FederationTestCase):
    def test_goes_where_discovery_says(self) -> None:
        self.http.answers["PUT", "https://example.org:1/path?q"] = answer({"a": 1})
        answered = result(self.federation.request("example.org:1", "PUT", "/path?q", json=[], timeout=5))
        self.assertEqual(answered.json(), {"a": 1})
        host = {"Host": "example.org:1"}
        url = "https://example.org:1/path?q"
        self.assertEqual(self.http.sent, [Sent("PUT", url, ("host.example", 1), [], host, 5)])

    def test_the_administrator_knows_better_than_discovery(self) -> None:
        trusted = FakeHttp()
        trusted.answers["GET", "http://127.0.0.1:8008/path?q"] = answer({"a": 1})
        overwrites = Overwrites({"Example.org": "http://127.0.0.1:8008"}, trusted)
        federation = FederationClient(self.clock, self.http, self.discovery, overwrites)
        for name in ("example.org", "EXAMPLE.org"):
            self.assertEqual(result(federation.request(name, "GET", "/path?q")).json(), {"a": 1})
        self.assertEqual(self.http.sent, [])
        self.failure(federation.request("sub.example.org", "GET", "/"), ConnectionFailed)
        self.assertEqual(len(self.http.sent), 1)

    def places(self, error: Exception) -> list[int]:
        """Which ports of three are tried if the first fails so."""
        self.discovery.targets = (("a.example", 1), ("b.example", 2), ("c.example", 3))

        def respond(sent: Sent) -> HttpResponse:
            if sent.connect_to == ("a.example", 1):
                raise error
            return answer({})

        self.http.sent.clear()
        self.http.answers["GET", "https://example.org/"] = respond
        Deferred.fromCoroutine(self.federation.request("example.org", "GET", "/")).addErrback(lambda _: None)
        return [sent.connect_to[1] for sent in self.http.sent if sent.connect_to]

    def test_the_next_place_is_tried_if_the_request_cannot_have_arrived(self) -> None:
        self.assertEqual(self.places(ConnectionFailed("refused")), [1, 2])
        self.assertEqual(self.places(AddressRefused("private")), [1, 2])
        arrived = ConnectionFailed("lost")
        arrived.sent = True
        self.assertEqual(self.places(arrived), [1])
        self.assertEqual(self.places(TooLarge("")), [1])

    def test_no_place_left(self) -> None:
        self.discovery.targets = (("a.example", 1), ("b.example", 2))
        error = self.failure(self.federation.request("example.org", "GET", "/"), ConnectionFailed)
        self.assertIn("example.org", str(error))
        self.assertEqual(len(self.http.sent), 2)

    def test_the_time_covers_discovery(self) -> None:
        self.discovery.delay = Deferred()
        self.http.answers["GET", "https://example.org/"] = answer({})
        request = Deferred.fromCoroutine(self.federation.request("example.org", "GET", "/", timeout=5))
        self.clock.advance(4)
        self.discovery.delay.callback(None)
        self.successResultOf(request)
        self.assertEqual(self.http.sent[0].timeout, 1)
        self.discovery.delay = Deferred()
        request = Deferred.fromCoroutine(self.federation.request("example.org", "GET", "/", timeout=5))
        self.clock.advance(5)
        self.assertIn("example.org", str(self.failureResultOf(request, TimedOut).value))


class UserInfoTests(FederationTestCase):
    URL = "https://example.org/_matrix/federation/v1/openid/userinfo?access_token="

    def userinfo(self, token: str = "token") -> str:
        return result(self.federation.userinfo("example.org", token))

    def refused(self, server: str = "example.org") -> MatrixError:
        error: MatrixError = self.failure(self.federation.userinfo(server, "token"))
        return error

    def test_who_it_is(self) -> None:
        self.http.answers["GET", self.URL + "token"] = answer({"sub": "@a:example.org"})
        self.assertEqual(self.userinfo(), "@a:example.org")

    def test_tokens_are_encoded(self) -> None:
        self.http.answers["GET", self.URL + "a%2Fb%26c%3Dd%23%20%C3%A9"] = answer({"sub": "@a:example.org"})
        self.assertEqual(self.userinfo("a/b&c=d# é"), "@a:example.org")

    def test_token_not_accepted(self) -> None:
        for status in (400, 401, 403, 404):
            self.http.answers["GET", self.URL + "token"] = answer({"errcode": "M_UNKNOWN_TOKEN"}, status)
            error = self.refused()
            self.assertEqual((error.status, error.errcode), (401, "M_UNAUTHORIZED"))
            self.assertIn("example.org", error.message)

    def test_a_server_that_has_no_time(self) -> None:
        for status, headers, refused in (
            (429, {}, (429, "M_LIMIT_EXCEEDED", None)),
            (429, {"retry-after": "7"}, (429, "M_LIMIT_EXCEEDED", 7000)),
            (500, {}, (502, "M_UNKNOWN", None)),
            (503, {"retry-after": "30"}, (502, "M_UNKNOWN", 30_000)),
            (503, {"retry-after": "Tue, 24 Nov 2026 02:35:23 GMT"}, (502, "M_UNKNOWN", None)),
            (504, {"retry-after": "-1"}, (502, "M_UNKNOWN", None)),
        ):
            self.http.answers["GET", self.URL + "token"] = HttpResponse(status, headers, b"<html>")
            error = self.refused()
            self.assertEqual((error.status, error.errcode, error.fields.get("retry_after_ms")), refused)
        self.http.answers["GET", self.URL + "token"] = answer({"retry_after_ms": 1500}, 429)
        self.assertEqual(self.refused().fields, {"retry_after_ms": 1500})

    def test_users_of_other_servers(self) -> None:
        for user_id in ("@a:other.org", "@a:sub.example.org", "@a:example.org:8448", "@a:xexample.org", "a", "", "@a"):
            self.http.answers["GET", self.URL + "token"] = answer({"sub": user_id})
            error = self.refused()
            self.assertEqual((error.status, error.errcode), (403, "M_FORBIDDEN"), user_id)

    def test_no_usable_answer(self) -> None:
        for broken in (
            answer({"sub": 1}),
            answer({}),
            answer([]),
            HttpResponse(200, {}, b"<html>"),
            answer({"sub": "@a:example.org"}, 500),
            answer({"sub": "@a:example.org"}, 302),
            ConnectionFailed("refused"),
            TimedOut("late"),
        ):
            self.http.answers["GET", self.URL + "token"] = broken
            error = self.refused()
            self.assertEqual((error.status, error.errcode), (502, "M_UNKNOWN"))
            self.assertIn("example.org", error.message)
            self.assertNotIn("access_token", error.message)

    def test_no_server_name(self) -> None:
        for name in ("", "example.org/path", "https://example.org", "user@example.org", "example.org:0"):
            self.assertEqual(self.refused(name).status, 400)
        self.assertEqual(self.http.sent, [])


class OnbindTests(FederationTestCase):
    URL = "https://example.org/_matrix/federation/v1/3pid/onbind"

    def onbind(self) -> list[str]:
        """The methods used."""
        self.http.sent.clear()
        result(self.federation.onbind("example.org", {"invites": []}, 300))
        self.assertTrue(all(sent.json == {"invites": []} and sent.timeout == 300 for sent in self.http.sent))
        return [sent.method for sent in self.http.sent]

    def test_post_and_else_put(self) -> None:
        self.http.answers["PUT", self.URL] = answer({})
        for status, body, methods in (
            (200, {}, ["POST"]),
            (500, {"errcode": "M_UNRECOGNIZED"}, ["POST"]),
            (403, {"errcode": "M_FORBIDDEN"}, ["POST"]),
            (404, {"errcode": "M_NOT_FOUND"}, ["POST"]),
            (404, {"errcode": "M_UNRECOGNIZED"}, ["POST", "PUT"]),
            (405, {"errcode": "M_UNRECOGNIZED"}, ["POST", "PUT"]),
            (405, None, ["POST", "PUT"]),
        ):
            self.http.answers["POST", self.URL] = answer(body, status)
            self.assertEqual(self.onbind(), methods, (status, body))

    def test_failures_are_the_callers(self) -> None:
        self.failure(self.federation.onbind("example.org", {}), OutboundError)
        self.failure(self.federation.onbind("exa/mple.org", {}), InvalidIdentifier)


class VerifyKeysTests(FederationTestCase):
    URL = "https://example.org/_matrix/key/v2/server"

    def setUp(self) -> None:
        super().setUp()
        self.signer = Signer("example.org", [generate_signing_key("new"), generate_signing_key("other")])
        self.publish()

    def published(self, **changes: object) -> dict[str, object]:
        keys = {key_id: {"key": self.signer.public_key(key_id)} for key_id in ("ed25519:new", "ed25519:other")}
        return {
            "server_name": "example.org",
            "valid_until_ts": (NOW + HOUR) * 1000,
            "verify_keys": keys,
            "old_verify_keys": {"ed25519:old": {"key": self.signer.public_key("ed25519:new"), "expired_ts": 1}},
            **changes,
        }

    def publish(self, **changes: object) -> None:
        self.http.answers["GET", self.URL] = answer(self.signer.sign(self.published(**changes)))

    def key(self, key_id: str = "ed25519:new") -> str:
        return result(self.federation.verify_keys("example.org", key_id))

    def problem(self, key_id: str = "ed25519:new", server: str = "example.org") -> str:
        """What the log says; whoever made the request is not told."""
        events: list[LogEvent] = []
        observer = cast("ILogObserver", events.append)
        globalLogPublisher.addObserver(observer)
        error: MatrixError = self.failure(self.federation.verify_keys(server, key_id))
        globalLogPublisher.removeObserver(observer)
        self.assertEqual((error.status, error.errcode), (403, "M_FORBIDDEN"))
        self.assertEqual(error.message, f"The signature of {server} cannot be verified")
        self.clock.advance(60)
        return "\n".join(map(formatEvent, events))

    def test_published(self) -> None:
        for key_id in ("ed25519:new", "ed25519:other"):
            self.assertEqual(self.key(key_id), self.signer.public_key(key_id))
        self.assertEqual(len(self.http.sent), 1)

    def test_not_published(self) -> None:
        self.assertIn("does not publish ed25519:none", self.problem("ed25519:none"))
        self.assertIn("does not publish ed25519:old", self.problem("ed25519:old"))

    def test_not_to_be_believed(self) -> None:
        self.publish(server_name="other.org")
        self.assertIn("another server", self.problem())
        for time in (0, NOW * 1000, -1):
            self.publish(valid_until_ts=time)
            self.assertIn("expired", self.problem())
        no_integers: tuple[object, ...] = ("9999999999999", None, True, [], {})
        for no_integer in no_integers:
            self.publish(valid_until_ts=no_integer)
            self.assertIn("unexpected answer", self.problem())
        no_keys: tuple[object, ...] = (
            None,
            [],
            {"ed25519:new": "key"},
            {"ed25519:new": {}},
            {"ed25519:new": {"key": 1}},
        )
        for keys in no_keys:
            self.publish(verify_keys=keys)
            self.assertIn("unexpected answer", self.problem())

    def test_not_integral(self) -> None:
        for time in (b"1e300", b"9999999999999.5", b"NaN", b"99999999999999999999999999"):
            body = self.http.answers["GET", self.URL]
            assert isinstance(body, HttpResponse)
            changed = body.body.replace(str((NOW + HOUR) * 1000).encode(), time)
            self.http.answers["GET", self.URL] = HttpResponse(200, {}, changed)
            self.problem()
            self.publish()

    def test_not_signed_by_its_own_keys(self) -> None:
        self.http.answers["GET", self.URL] = answer(self.published())
        self.assertIn("not signed", self.problem())
        forged = Signer("example.org", [generate_signing_key("new")]).sign(self.published())
        self.http.answers["GET", self.URL] = answer(forged)
        self.assertIn("not signed", self.problem())
        self.http.answers["GET", self.URL] = answer({**self.signer.sign(self.published()), "more": 1})
        self.assertIn("not signed", self.problem())
        self.publish(verify_keys={"ed25519:new": {"key": "nonsense"}})
        self.assertIn("not signed", self.problem())
        self.publish(verify_keys={})
        self.assertIn("not signed", self.problem())

    def test_unreachable(self) -> None:
        for broken in (ConnectionFailed("nobody there"), answer({}, 500), HttpResponse(200, {}, b"["), answer([])):
            self.http.answers["GET", self.URL] = broken
            self.problem()
        self.assertIn("not a server name", self.problem(server="exa mple"))

    def test_kept_until_they_expire(self) -> None:
        self.key()
        self.clock.advance(HOUR - 1)
        self.key()
        self.assertEqual(len(self.http.sent), 1)
        self.clock.advance(1)
        self.problem()
        self.assertEqual(len(self.http.sent), 2)

    def test_kept_for_a_day_at_most(self) -> None:
        self.publish(valid_until_ts=(NOW + 9_000_000) * 1000)
        self.key()
        self.clock.advance(24 * HOUR)
        self.key()
        self.assertEqual(len(self.http.sent), 2)

    def test_errors_are_kept_briefly(self) -> None:
        self.http.answers["GET", self.URL] = ConnectionFailed("nobody there")
        for _ in range(5):
            self.failure(self.federation.verify_keys("example.org", "ed25519:new"))
        self.assertEqual(len(self.http.sent), 1)
        self.publish()
        self.clock.advance(60)
        self.key()

    def test_new_keys_are_found_but_not_asked_for_all_the_time(self) -> None:
        self.key()
        for _ in range(5):
            self.failure(self.federation.verify_keys("example.org", "ed25519:newer"))
        self.assertEqual(len(self.http.sent), 1)
        self.signer = Signer("example.org", [*self.signer.keys, generate_signing_key("newer")])
        keys = {key_id: {"key": self.signer.public_key(key_id)} for key_id in ("ed25519:new", "ed25519:newer")}
        self.publish(verify_keys=keys)
        self.clock.advance(60)
        self.assertEqual(self.key("ed25519:newer"), self.signer.public_key("ed25519:newer"))


class WholeWayTests(TestCase):
    """Discovery by DNS, a real connection with TLS, and the answer: nothing is faked but the names."""

    async def test_by_srv_record_past_a_place_where_nobody_is(self) -> None:
        authority = Authority(Path(self.mktemp()))
        names = NameServer(reactor)
        self.addCleanup(names.stop)
        seen = []

        def respond(request: Any) -> bytes:
            seen.append((request.getHeader("host"), request.uri))
            return b'{"sub": "@a:matrix.example"}'

        server = Server(reactor, site(respond), authority.issue("matrix.example"))
        self.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        gone = Server(reactor, site(respond))
        await gone.stop()
        names.zone = {
            "_matrix-fed._tcp.matrix.example": [
                f"SRV 1 0 {gone.port} gone.example",
                f"SRV 2 0 {server.port} host.example",
            ],
            "gone.example": ["A 127.0.0.1"],
            "host.example": ["A 127.0.0.1"],
        }
        resolver = Resolver(reactor, [names.address], os.devnull)
        outbound = HttpClient(reactor, resolver, Trust(authority.path), ANYWHERE)
        self.addCleanup(lambda: Deferred.fromCoroutine(outbound.close()))
        federation = FederationClient(reactor, outbound, Discovery(reactor, outbound, resolver, bytes))
        self.assertEqual(await federation.userinfo("matrix.example", "token"), "@a:matrix.example")
        self.assertEqual(seen, [("matrix.example", b"/_matrix/federation/v1/openid/userinfo?access_token=token")])
