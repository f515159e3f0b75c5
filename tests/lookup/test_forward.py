"""Identity servers that are asked about what nobody knows."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mxisd.lookup.forward import V1_PERIOD, ForwardServer
from mxisd.lookup.v1 import V1
from mxisd.lookup.v2 import PORTION, V2
from mxisd.matrix.hashing import digest
from mxisd.matrix.openid import request_token
from mxisd.matrix.threepid import ThreePid
from mxisd.net.errors import OutboundError
from mxisd.net.http_client import HttpResponse
from tests.lookup.book import ALICE, BOB, email
from tests.matrix.fakes import FakeHttp, Sent, answer

URL = "https://id.example.net"
HOMESERVER = "https://hs.example.org/_matrix/client/v3"
V2_API = f"{URL}/_matrix/identity/v2"
ANNA, BERT = email("anna"), email("bert")
TERMS = "https://id.example.net/terms/en"


class IdentityServer:
    """Version 2 of the API, behind a :class:`FakeHttp`."""

    def __init__(self, http: FakeHttp) -> None:
        self.people: dict[ThreePid, str] = {}
        self.pepper = "pepper"
        self.algorithms = ["none", "sha256"]
        self.terms: dict[str, Any] = {}
        self.accepted: list[str] = []
        self.tokens: list[str] = []
        self.lookups: list[Any] = []
        self.extra: dict[str, str] = {}
        for method, path, handler in (
            ("POST", "/account/register", self.register),
            ("GET", "/hash_details", self.hash_details),
            ("GET", "/terms", lambda _: answer({"policies": self.terms})),
            ("POST", "/terms", self.accept),
            ("POST", "/lookup", self.lookup),
        ):
            http.answers[method, V2_API + path] = handler

    def register(self, sent: Sent) -> HttpResponse:
        assert sent.json == {"access_token": "opened", "matrix_server_name": "example.org"}
        self.tokens.append(f"token{len(self.tokens)}")
        return answer({"token": self.tokens[-1]})

    def refusal(self, sent: Sent) -> HttpResponse | None:
        if not self.tokens or sent.headers.get("Authorization") != f"Bearer {self.tokens[-1]}":
            return answer({"errcode": "M_UNAUTHORIZED", "error": "who are you?"}, 401)
        return None

    def hash_details(self, sent: Sent) -> HttpResponse:
        if self.terms and not self.accepted:
            return answer({"errcode": "M_TERMS_NOT_SIGNED", "error": "read this"}, 403)
        return self.refusal(sent) or answer({"lookup_pepper": self.pepper, "algorithms": self.algorithms})

    def accept(self, sent: Sent) -> HttpResponse:
        body: Any = sent.json
        self.accepted += body["user_accepts"]
        return self.refusal(sent) or answer({})

    def lookup(self, sent: Sent) -> HttpResponse:
        body: Any = sent.json
        self.lookups.append(body)
        if body["pepper"] != self.pepper:
            return answer({"errcode": "M_INVALID_PEPPER", "error": "old"}, 400)
        by_hash = {digest(threepid, self.pepper): user_id for threepid, user_id in self.people.items()}
        mappings = {hashed: by_hash[hashed] for hashed in body["addresses"] if hashed in by_hash}
        return self.refusal(sent) or answer({"mappings": mappings | self.extra})


class ForwardTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.http = FakeHttp()
        self.http.answers["GET", f"{HOMESERVER}/account/whoami"] = answer({"user_id": "@mxisd:example.org"})
        self.open_id = ("POST", f"{HOMESERVER}/user/%40mxisd%3Aexample.org/openid/request_token")
        self.http.answers[self.open_id] = answer({"access_token": "opened", "matrix_server_name": "example.org"})
        self.server = IdentityServer(self.http)
        self.server.people = {ANNA: ALICE}
        self.source = self.forward()

    def forward(self, accepted_terms: tuple[str, ...] = ()) -> ForwardServer:
        open_id = partial(request_token, self.http, "https://hs.example.org", "secret")
        v2 = V2(self.http, URL, open_id, accepted_terms)
        return ForwardServer(URL, V1(self.http, self.clock), v2, self.clock)

    def ask(self, *threepids: ThreePid) -> Deferred[Any]:
        return Deferred.fromCoroutine(self.source.lookup(threepids))

    def found(self, *threepids: ThreePid) -> Any:
        return self.successResultOf(self.ask(*threepids))

    def failure(self, *threepids: ThreePid) -> str:
        return str(self.failureResultOf(self.ask(*threepids), OutboundError).value)

    def serve_v1(self, user_id: str) -> None:
        self.http.answers["GET", f"{URL}/_matrix/identity/api/v1/lookup?medium=email&address=anna%40example.com"] = (
            answer({"medium": "email", "address": ANNA.address, "mxid": user_id})
        )

    def test_hashes_are_sent_and_no_addresses(self) -> None:
        self.assertEqual(self.found(ANNA, BERT), {ANNA: ALICE})
        (asked,) = self.server.lookups
        self.assertEqual(asked["addresses"], [digest(ANNA, "pepper"), digest(BERT, "pepper")])
        self.assertNotIn("example.com", repr(self.http.sent))

    def test_the_account_and_the_pepper_are_kept(self) -> None:
        for _ in range(3):
            self.assertEqual(self.found(ANNA), {ANNA: ALICE})
        self.assertEqual(len(self.server.tokens), 1)
        self.assertEqual(self.http.urls.count(f"{V2_API}/hash_details"), 1)

    def test_a_new_account_when_the_token_is_no_good_any_more(self) -> None:
        self.found(ANNA)
        self.server.tokens.append("another")
        self.assertEqual(self.found(ANNA), {ANNA: ALICE})
        self.assertEqual(len(self.server.tokens), 3)

    def test_a_new_pepper(self) -> None:
        self.found(ANNA)
        self.server.pepper = "newer"
        self.assertEqual(self.found(ANNA), {ANNA: ALICE})

    def test_a_pepper_that_is_never_right(self) -> None:
        self.http.answers["POST", f"{V2_API}/lookup"] = answer({"errcode": "M_INVALID_PEPPER"}, 400)
        self.assertIn("M_INVALID_PEPPER", self.failure(ANNA))
        self.assertLess(len(self.http.sent), 20)

    def test_what_was_not_asked(self) -> None:
        self.server.extra = {"x" * 43: BOB, digest(BERT, "pepper"): BOB}
        self.assertEqual(self.found(ANNA), {ANNA: ALICE})

    def test_more_than_one_request_holds(self) -> None:
        many = [email(f"{number}") for number in range(PORTION + 1)]
        self.server.people = dict.fromkeys(many, ALICE)
        self.assertEqual(self.found(*many), self.server.people)
        self.assertEqual([len(asked["addresses"]) for asked in self.server.lookups], [PORTION, 1])

    def test_terms_that_the_administrator_accepted(self) -> None:
        self.server.terms = {"privacy": {"version": "1", "en": {"name": "Privacy", "url": TERMS}}}
        self.source = self.forward(accepted_terms=(TERMS, "https://other.example/terms"))
        self.assertEqual(self.found(ANNA), {ANNA: ALICE})
        self.assertEqual(self.server.accepted, [TERMS])

    def test_terms_that_nobody_accepted(self) -> None:
        self.server.terms = {"privacy": {"version": "1", "en": {"name": "Privacy", "url": TERMS}}}
        self.assertIn(TERMS, self.failure(ANNA))
        self.assertEqual(self.server.accepted, [])

    def test_without_v2_it_is_asked_by_v1_for_a_while(self) -> None:
        self.serve_v1(BOB)
        unrecognized = answer({"errcode": "M_UNRECOGNIZED"}, 404)
        v2, self.http.answers["POST", f"{V2_API}/account/register"] = self.server.register, unrecognized
        self.clock.advance(1)
        self.assertEqual(self.found(ANNA), {ANNA: BOB})
        self.http.answers["POST", f"{V2_API}/account/register"] = v2
        self.assertEqual(self.found(ANNA), {ANNA: BOB})
        self.clock.advance(V1_PERIOD)
        self.assertEqual(self.found(ANNA), {ANNA: ALICE})

    def test_without_an_account_it_is_asked_by_v1(self) -> None:
        self.serve_v1(BOB)
        self.source = ForwardServer(URL, V1(self.http, self.clock), None, self.clock)
        self.assertEqual(self.found(ANNA), {ANNA: BOB})
        self.assertEqual(len(self.http.sent), 1)

    def test_addresses_are_not_sent_where_hashes_were_to_be(self) -> None:
        self.serve_v1(BOB)
        for path, answered in (
            ("/lookup", answer({"errcode": "M_UNKNOWN"}, 500)),
            ("/hash_details", answer({"lookup_pepper": "p", "algorithms": ["none"]})),
            ("/account/register", answer({"errcode": "M_UNAUTHORIZED"}, 401)),
            ("/account/register", answer({})),
        ):
            method = "GET" if path == "/hash_details" else "POST"
            kept, self.http.answers[method, V2_API + path] = self.http.answers[method, V2_API + path], answered
            self.source = self.forward()
            self.failure(ANNA)
            self.http.answers[method, V2_API + path] = kept
        self.assertNotIn("example.com", repr(self.http.sent))

    def test_a_homeserver_that_vouches_for_nobody(self) -> None:
        self.http.answers[self.open_id] = answer({"errcode": "M_FORBIDDEN"}, 403)
        self.assertIn("no OpenID token is to be had", self.failure(ANNA))
