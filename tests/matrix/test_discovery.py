from collections import Counter
from itertools import pairwise

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mxisd.matrix.discovery import Destination, Discovery
from mxisd.matrix.ids import InvalidIdentifier
from mxisd.net.dns import DnsError, SrvRecord
from mxisd.net.errors import NameUnknown
from mxisd.net.http_client import HttpResponse
from tests.make import result, seeded
from tests.matrix.fakes import FakeHttp, FakeServices, answer

URL = "https://example.org/.well-known/matrix/server"
HOUR = 3600


class DiscoveryTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.http = FakeHttp()
        self.dns = FakeServices()
        self.discovery = Discovery(self.clock, self.http, self.dns, seeded(7))

    def resolve(self, name: str = "example.org") -> Destination:
        return result(self.discovery.resolve(name))

    def delegate(self, body: object, status: int = 200, **headers: str) -> None:
        self.http.answers["GET", URL] = answer(body, status, **headers)


class NamesTests(DiscoveryTestCase):
    def test_literals_and_ports_are_taken_as_they_are(self) -> None:
        for name, host, port in (
            ("192.0.2.1", "192.0.2.1", 8448),
            ("192.0.2.1:443", "192.0.2.1", 443),
            ("[2001:db8::1]", "2001:db8::1", 8448),
            ("[2001:db8::1]:443", "2001:db8::1", 443),
            ("example.org:8008", "example.org", 8008),
        ):
            self.assertEqual(self.resolve(name), Destination(name, ((host, port),)))
        self.assertEqual((self.http.sent, self.dns.asked), ([], []))

    def test_what_is_no_server_name_is_not_asked_for(self) -> None:
        for name in (
            "",
            "a/b",
            "a@b",
            "https://a",
            "a:0",
            "a:08",
            "a: 80",
            "a:65536",
            "a?b",
            "a#b",
            "[::1",
            "a b",
            "ä",
        ):
            resolving = Deferred.fromCoroutine(self.discovery.resolve(name))
            self.failureResultOf(resolving, InvalidIdentifier)
        self.assertEqual((self.http.sent, self.dns.asked), ([], []))

    def test_nothing_published(self) -> None:
        self.assertEqual(self.resolve(), Destination("example.org", (("example.org", 8448),)))
        self.assertEqual(self.dns.asked, ["_matrix-fed._tcp.example.org", "_matrix._tcp.example.org"])


class WellKnownTests(DiscoveryTestCase):
    def test_delegation(self) -> None:
        self.dns.records["_matrix-fed._tcp.srv.example"] = [SrvRecord(0, 0, 4, "host.example")]
        for delegated, targets in (
            ("192.0.2.1", ("192.0.2.1", 8448)),
            ("[2001:db8::1]:443", ("2001:db8::1", 443)),
            ("matrix.example.org:443", ("matrix.example.org", 443)),
            ("matrix.example.org", ("matrix.example.org", 8448)),
            ("srv.example", ("host.example", 4)),
        ):
            self.delegate({"m.server": delegated, "more": 1}, cache_control="no-store")
            self.assertEqual(self.resolve(), Destination(delegated, (targets,)))

    def test_delegates_are_not_asked_whether_they_delegate(self) -> None:
        self.delegate({"m.server": "matrix.example.org"})
        self.resolve()
        self.assertEqual(self.http.urls, [URL])

    def test_invalid_ones_count_for_nothing(self) -> None:
        bodies: list[object] = [None, [], {}, {"m.server": 1}, {"m.server": None}, {"server": "a"}]
        bodies += [{"m.server": name} for name in ("", "a/b", "https://a", "a:0", "user@a", "a b", "[::1", "x" * 300)]
        for body in bodies:
            self.delegate(body)
            self.assertEqual(self.resolve(), Destination("example.org", (("example.org", 8448),)), body)
            self.clock.advance(HOUR)
        for status in (204, 302, 404, 500):
            self.delegate({"m.server": "matrix.example.org"}, status)
            self.assertEqual(self.resolve().host, "example.org", status)
            self.clock.advance(HOUR)
        self.http.answers["GET", URL] = HttpResponse(200, {}, b"<html>")
        self.assertEqual(self.resolve().host, "example.org")

    def requests_within(self, seconds: float, step: float = 30) -> list[float]:
        """When it was asked again, in seconds from now, while someone resolves all the time."""
        times = []
        for _ in range(int(seconds / step)):
            before = len(self.http.sent)
            self.resolve()
            if len(self.http.sent) > before:
                times.append(self.clock.seconds())
            self.clock.advance(step)
        return times

    def test_kept_as_the_server_says(self) -> None:
        for header, seconds in (
            ("", 24 * HOUR),
            ("public", 24 * HOUR),
            ("public, Max-Age=7200", 2 * HOUR),
            ('max-age="3600"', HOUR),
            ("max-age=99999999", 48 * HOUR),
            ("s-max-age-x", 24 * HOUR),
            ("max-age=0", 0),
            ("no-store", 0),
            ("No-Cache, max-age=60", 0),
        ):
            self.setUp()
            self.delegate({"m.server": "matrix.example.org"}, cache_control=header)
            self.assertEqual(self.requests_within(50 * HOUR, HOUR / 2)[1], seconds or HOUR / 2, header)

    def test_errors_are_asked_about_less_and_less_often(self) -> None:
        times = self.requests_within(6 * HOUR)
        waits = [later - earlier for earlier, later in pairwise(times)]
        self.assertEqual([round(wait / 60) for wait in waits], [1, 2, 4, 8, 16, 32, 60, 60, 60, 60])

    def test_a_success_makes_up_for_failures(self) -> None:
        self.requests_within(3 * HOUR)
        self.delegate({"m.server": "matrix.example.org"}, cache_control="max-age=60")
        self.requests_within(HOUR)
        self.assertEqual(self.resolve().host, "matrix.example.org")
        del self.http.answers["GET", URL]
        self.clock.advance(60)
        times = self.requests_within(5 * 60)
        self.assertEqual([time - times[0] for time in times], [0, 60, 180])

    def test_asked_once_for_all_who_wait(self) -> None:
        waiting: Deferred[HttpResponse] = Deferred()
        self.http.answers["GET", URL] = waiting
        resolving = [Deferred.fromCoroutine(self.discovery.resolve(name)) for name in ("example.org", "EXAMPLE.org")]
        waiting.callback(answer({"m.server": "matrix.example.org"}))
        for each in resolving:
            self.assertEqual(self.successResultOf(each).host, "matrix.example.org")
        self.assertEqual(self.http.urls, [URL])


class ServiceRecordTests(DiscoveryTestCase):
    def test_registered_name_before_the_old_one(self) -> None:
        self.dns.records["_matrix._tcp.example.org"] = [SrvRecord(0, 0, 1, "old.example")]
        self.assertEqual(self.resolve(), Destination("example.org", (("old.example", 1),)))
        self.dns.records["_matrix-fed._tcp.example.org"] = [SrvRecord(0, 0, 2, "new.example")]
        self.assertEqual(self.resolve(), Destination("example.org", (("new.example", 2),)))

    def test_by_priority(self) -> None:
        self.dns.records["_matrix-fed._tcp.example.org"] = [
            SrvRecord(20, 9, 1, "c.example"),
            SrvRecord(5, 0, 1, "a.example"),
            SrvRecord(10, 0, 1, "b.example"),
        ]
        self.assertEqual([host for host, _ in self.resolve().targets], ["a.example", "b.example", "c.example"])

    def test_by_weight(self) -> None:
        self.dns.records["_matrix-fed._tcp.example.org"] = [
            SrvRecord(0, 75, 1, "three.example"),
            SrvRecord(0, 25, 1, "one.example"),
            SrvRecord(0, 0, 1, "zero.example"),
        ]
        orders = Counter(tuple(host.split(".")[0] for host, _ in self.resolve().targets) for _ in range(1000))
        first = Counter({order[0]: 0 for order in orders})
        for order, count in orders.items():
            self.assertEqual(sorted(order), ["one", "three", "zero"])
            first[order[0]] += count
        self.assertTrue(700 < first["three"] < 800, first)
        self.assertTrue(200 < first["one"] < 300, first)
        self.assertTrue(0 < first["zero"] < 50, first)

    def test_equal_weights_of_zero(self) -> None:
        self.dns.records["_matrix-fed._tcp.example.org"] = [SrvRecord(0, 0, n, "a.example") for n in range(3)]
        self.assertEqual(sorted(self.resolve().targets), [("a.example", n) for n in range(3)])

    def test_no_service_at_all(self) -> None:
        self.dns.records["_matrix-fed._tcp.example.org"] = [SrvRecord(0, 0, 0, "")]
        error = self.assertRaises(NameUnknown, result, self.discovery.resolve("example.org"))
        self.assertIn("example.org", str(error))

    def test_name_servers_that_fail(self) -> None:
        self.dns.records["_matrix-fed._tcp.example.org"] = DnsError("failure", retryable=True)
        self.assertEqual(self.resolve().targets, (("example.org", 8448),))
