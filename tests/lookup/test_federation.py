"""The identity servers of the domains of addresses."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mxisd.lookup.circuit_breaker import CircuitBreaker
from mxisd.lookup.discovery import IdentityServers
from mxisd.lookup.federation import AT_ONCE, MOST, Domains, FederationSource
from mxisd.lookup.v1 import V1
from mxisd.matrix.threepid import EMAIL, ThreePid, fold
from mxisd.net.dns import DnsError, SrvRecord
from mxisd.net.errors import ConnectionFailed
from mxisd.net.http_client import HttpResponse
from tests.lookup.book import ALICE, BOB, email
from tests.matrix.fakes import FakeHttp, FakeServices, Sent, answer

ANNA, BERT = email("anna"), email("bert")
SECONDS = 10.0
API = "/_matrix/identity/api/v1"


def no_luck(size: int) -> bytes:
    return bytes(size)


class FederationCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.http = FakeHttp()
        self.dns = FakeServices()
        self.start()

    def start(self, allow: tuple[str, ...] = (), deny: tuple[str, ...] = ()) -> None:
        domains = Domains(["example.org", "ID.example.org"], allow, deny)
        servers = IdentityServers(self.clock, self.http, self.dns, no_luck)
        self.federation = FederationSource(
            domains,
            servers,
            V1(self.http, self.clock),
            lambda source: CircuitBreaker(source, self.clock, timedelta(seconds=SECONDS)),
            self.clock,
            timedelta(seconds=SECONDS),
        )

    def srv(self, domain: str, *records: SrvRecord) -> None:
        self.dns.records[f"_matrix-identity._tcp.{domain}"] = list(records)

    def serve(self, base_url: str, people: dict[str, str]) -> None:
        """Have an identity server at a URL, for single lookups and many."""

        def many(sent: Sent) -> HttpResponse:
            asked: Any = sent.json
            return answer({"threepids": [[*each, people[each[1]]] for each in asked["threepids"] if each[1] in people]})

        for address, user_id in people.items():
            escaped = address.replace("@", "%40")
            self.http.answers["GET", f"{base_url}{API}/lookup?medium=email&address={escaped}"] = answer(
                {"medium": "email", "address": address, "mxid": user_id}
            )
        self.http.answers["POST", f"{base_url}{API}/bulk_lookup"] = many

    def ask(self, *threepids: ThreePid) -> Deferred[Any]:
        return Deferred.fromCoroutine(self.federation.lookup(threepids))

    def found(self, *threepids: ThreePid) -> Any:
        return self.successResultOf(self.ask(*threepids))


class DiscoveryTests(FederationCase):
    def test_by_srv(self) -> None:
        self.srv("example.com", SrvRecord(10, 0, 443, "matrix.example.com"))
        self.serve("https://matrix.example.com:443", {"anna@example.com": ALICE, "bert@example.com": BOB})
        self.assertEqual(self.found(ANNA), {ANNA: ALICE})
        self.assertEqual(self.found(ANNA, BERT), {ANNA: ALICE, BERT: BOB})

    def test_the_next_place_is_tried_by_priority(self) -> None:
        self.srv("example.com", SrvRecord(20, 0, 443, "second.example"), SrvRecord(10, 0, 443, "first.example"))
        self.serve("https://second.example:443", {"anna@example.com": ALICE})
        self.assertEqual(self.found(ANNA), {ANNA: ALICE})
        self.assertTrue(self.http.urls[0].startswith("https://first.example:443/"))

    def test_by_well_known(self) -> None:
        self.http.answers["GET", "https://example.com/.well-known/matrix/client"] = answer(
            {"m.homeserver": {"base_url": "https://hs"}, "m.identity_server": {"base_url": "https://id.example.com/x/"}}
        )
        self.serve("https://id.example.com/x", {"anna@example.com": ALICE})
        self.assertEqual(self.found(ANNA), {ANNA: ALICE})

    def test_well_known_without_a_usable_identity_server(self) -> None:
        contents: list[object] = [
            {},
            [],
            {"m.identity_server": {}},
            {"m.identity_server": {"base_url": 1}},
            {"m.identity_server": {"base_url": "http://id.example.com"}},
            {"m.identity_server": {"base_url": "https://user@id.example.com"}},
            {"m.identity_server": {"base_url": "https://id.example.com:99999"}},
            {"m.identity_server": {"base_url": "file:///etc/passwd"}},
        ]
        for content in contents:
            self.start()
            self.http.sent.clear()
            self.http.answers["GET", "https://example.com/.well-known/matrix/client"] = answer(content)
            self.assertEqual(self.found(ANNA), {})
            self.assertEqual(self.http.urls, ["https://example.com/.well-known/matrix/client"], content)

    def test_srv_that_leads_nowhere(self) -> None:
        for records in (
            [SrvRecord(0, 0, 0, "")],
            [SrvRecord(0, 0, 0, "id.example.com")],
            [SrvRecord(0, 0, 443, "a b/c")],
        ):
            self.start()
            self.srv("example.com", *records)
            self.assertEqual(self.found(ANNA), {})
        self.assertEqual(self.http.sent, [])

    def test_where_a_server_is_is_remembered(self) -> None:
        self.srv("example.com", SrvRecord(10, 0, 443, "matrix.example.com"))
        self.serve("https://matrix.example.com:443", {"anna@example.com": ALICE})
        for _ in range(3):
            self.found(ANNA)
        self.assertEqual(len(self.dns.asked), 1)
        self.clock.advance(3600)
        self.found(ANNA)
        self.assertEqual(len(self.dns.asked), 2)

    def test_a_name_server_that_fails_is_asked_again_later(self) -> None:
        self.dns.records["_matrix-identity._tcp.example.com"] = DnsError("no answer", retryable=True)
        self.assertEqual(self.found(ANNA), {})
        self.srv("example.com", SrvRecord(10, 0, 443, "matrix.example.com"))
        self.serve("https://matrix.example.com:443", {"anna@example.com": ALICE})
        self.assertEqual(self.found(ANNA), {})
        self.clock.advance(300)
        self.assertEqual(self.found(ANNA), {ANNA: ALICE})

    def test_domains_of_other_scripts(self) -> None:
        self.srv("xn--bcher-kva.example", SrvRecord(10, 0, 443, "matrix.example.com"))
        # Others may know the address by either spelling.
        lookup = f"https://matrix.example.com:443{API}/lookup?medium=email&address=a%40"
        self.http.answers["GET", f"{lookup}xn--bcher-kva.example"] = answer({})
        self.http.answers["GET", f"{lookup}b%C3%BCcher.example"] = answer(
            {"medium": "email", "address": "a@bücher.example", "mxid": ALICE}
        )
        for typed in ("a@bücher.example", "a@xn--bcher-kva.example"):
            asked = fold(EMAIL, typed)
            self.assertEqual(self.found(asked), {asked: ALICE})


class DomainsTests(FederationCase):
    def asked(self, *addresses: str) -> set[str]:
        """The domains that are asked about addresses."""
        self.dns.asked.clear()
        self.found(*map(email, addresses))
        return {name.removeprefix("_matrix-identity._tcp.") for name in self.dns.asked}

    def test_ours_is_never_asked(self) -> None:
        self.assertEqual(self.asked("a@example.org", "a@EXAMPLE.org", "a@id.example.org", "a@b.org"), {"b.org"})

    def test_nor_when_another_domain_says_that_we_are_its_server(self) -> None:
        self.srv("example.com", SrvRecord(0, 0, 443, "id.example.org"), SrvRecord(1, 0, 443, "example.org"))
        self.assertEqual(self.found(ANNA), {})
        self.assertEqual(self.http.sent, [])

    def test_what_has_no_domain(self) -> None:
        wrong = ("", "@", "a@", "a@[::1]", "a@127.0.0.1", "a@b:8448", "a@b c", "a@.", "a@" + "x" * 64 + ".org")
        self.assertEqual(self.found(*(ThreePid("email", address) for address in wrong)), {})
        self.assertEqual(self.found(ThreePid("msisdn", "491510000000")), {})
        self.assertEqual((self.http.sent, self.dns.asked), ([], []))

    def test_allowed_domains(self) -> None:
        self.start(allow=("Example.com", "b.org"), deny=("c.example.com",))
        self.assertEqual(
            self.asked(
                "a@example.com",
                "a@x.example.com",
                "a@c.example.com",
                "a@x.c.example.com",
                "a@b.org",
                "a@d.org",
                "a@xb.org",
            ),
            {"example.com", "x.example.com", "b.org"},
        )

    def test_denied_servers(self) -> None:
        self.start(deny=("vector.im",))
        self.srv("example.com", SrvRecord(0, 0, 443, "id.vector.im"))
        self.serve("https://id.vector.im:443", {"anna@example.com": ALICE})
        self.assertEqual(self.found(ANNA), {})
        self.assertEqual(self.http.sent, [])

    def test_a_server_elsewhere_is_good_for_an_allowed_domain(self) -> None:
        self.start(allow=("example.com",))
        self.srv("example.com", SrvRecord(0, 0, 443, "id.example.net"))
        self.serve("https://id.example.net:443", {"anna@example.com": ALICE})
        self.assertEqual(self.found(ANNA), {ANNA: ALICE})


class ManyDomainsTests(FederationCase):
    def setUp(self) -> None:
        super().setUp()
        self.threepids = [email(f"a@{number}.example") for number in range(3 * AT_ONCE)]
        for threepid in self.threepids:
            domain = threepid.address.partition("@")[2]
            self.srv(domain, SrvRecord(0, 0, 443, f"id.{domain}"))
            self.serve(f"https://id.{domain}:443", {threepid.address: ALICE})

    def url(self, number: int) -> str:
        return f"https://id.{number}.example:443{API}/lookup?medium=email&address=a%40{number}.example"

    def test_all_are_asked(self) -> None:
        self.assertEqual(self.found(*self.threepids), dict.fromkeys(self.threepids, ALICE))

    def test_one_that_fails_is_left_out(self) -> None:
        self.http.answers["GET", self.url(1)] = ConnectionFailed("away")
        self.assertEqual(self.found(*self.threepids[:3]), dict.fromkeys([self.threepids[0], self.threepids[2]], ALICE))

    def test_those_that_hang_keep_nobody_waiting(self) -> None:
        for number in range(0, 2 * AT_ONCE - 2, 2):
            self.http.answers["GET", self.url(number)] = Deferred()
        asked = self.ask(*self.threepids)
        self.assertNoResult(asked)
        self.clock.advance(SECONDS)
        hanging = self.threepids[0 : 2 * AT_ONCE - 2 : 2]
        self.assertEqual(
            self.successResultOf(asked),
            dict.fromkeys([threepid for threepid in self.threepids if threepid not in hanging], ALICE),
        )

    def test_not_all_at_once(self) -> None:
        for number in range(len(self.threepids)):
            self.http.answers["GET", self.url(number)] = Deferred()
        self.ask(*self.threepids)
        self.assertEqual(len(self.http.sent), AT_ONCE)
        self.clock.advance(SECONDS)


class MostDomainsTests(FederationCase):
    def test_so_many_domains_are_asked_and_no_more(self) -> None:
        often = [email(f"user{number}@often.example") for number in range(3)]
        self.ask(*(email(f"anna@{number}.example") for number in range(10_000)), *often)
        for _ in range(1000):
            self.clock.advance(0.01)
        asked = {name for name in self.dns.asked if "_matrix-identity._tcp" in name}
        self.assertLessEqual(len(asked), MOST)
        self.assertIn("_matrix-identity._tcp.often.example", asked)
