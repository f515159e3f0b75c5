"""Identity servers asked by version 1 of their API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec.json import encode
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from mxisd.lookup.v1 import PORTION, V1
from mxisd.matrix.association import association
from mxisd.matrix.threepid import ThreePid
from mxisd.net.errors import OutboundError
from mxisd.net.http_client import HttpResponse
from tests.lookup.book import ALICE, BOB, email
from tests.make import NOW, clock_at, signer_for
from tests.matrix.fakes import FakeHttp, Sent, answer

URL = "https://id.example.net"
API = f"{URL}/_matrix/identity/api/v1"
ANNA, BERT = email("anna"), email("bert+x")
PHONE = ThreePid("msisdn", "491510000000")


class V1Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = clock_at()
        self.http = FakeHttp()
        self.v1 = V1(self.http, self.clock)
        self.signer = signer_for("example.net")

    def ask(self, *threepids: ThreePid) -> Deferred[dict[ThreePid, str]]:
        return Deferred.fromCoroutine(self.v1.lookup(URL, threepids))

    def found(self, *threepids: ThreePid) -> dict[ThreePid, str]:
        return self.successResultOf(self.ask(*threepids))

    def assert_fails(self, *threepids: ThreePid) -> None:
        self.failureResultOf(self.ask(*threepids), OutboundError)


class SingleTests(V1Case):
    url = f"{API}/lookup?medium=email&address=anna%40example.com"
    key_url = f"{API}/pubkey/ed25519%3A0"

    def say(self, content: object, status: int = 200) -> None:
        self.http.answers["GET", self.url] = answer(content, status)

    def publish(self, key: str | None) -> None:
        self.http.answers["GET", self.key_url] = (
            answer({"errcode": "M_NOT_FOUND"}, 404) if key is None else answer({"public_key": key})
        )

    def signed(self, **changes: object) -> dict[str, Any]:
        return association(self.signer, ANNA, ALICE, NOW) | changes

    @property
    def key(self) -> str:
        return self.signer.public_key(self.signer.key_id) or ""

    def test_known_and_signed(self) -> None:
        self.say(self.signed())
        self.publish(self.key)
        self.assertEqual(self.found(ANNA), {ANNA: ALICE})

    def test_unknown(self) -> None:
        self.say({})
        self.assertEqual(self.found(ANNA), {})

    def test_the_address_is_escaped(self) -> None:
        self.http.answers["GET", f"{API}/lookup?medium=email&address=bert%2Bx%40example.com"] = answer({})
        self.assertEqual(self.found(BERT), {})

    def test_a_signature_that_is_not_good(self) -> None:
        self.say(self.signed(mxid=BOB))
        self.publish(self.key)
        self.assert_fails(ANNA)

    def test_a_signature_by_another_key(self) -> None:
        self.say(self.signed())
        self.publish("A" * 43)
        self.assert_fails(ANNA)

    def test_a_key_that_is_not_published_cannot_be_checked(self) -> None:
        self.say(self.signed())
        self.publish(None)
        self.assertEqual(self.found(ANNA), {ANNA: ALICE})

    def test_a_key_that_cannot_be_had(self) -> None:
        self.say(self.signed())
        self.http.answers["GET", self.key_url] = answer({}, 500)
        self.assert_fails(ANNA)

    def test_keys_are_remembered(self) -> None:
        self.say(self.signed())
        self.publish(self.key)
        self.found(ANNA)
        self.found(ANNA)
        self.assertEqual(self.http.urls, [self.url, self.key_url, self.url])

    def test_no_signature(self) -> None:
        self.say({"medium": "email", "address": "anna@example.com", "mxid": ALICE})
        self.assertEqual(self.found(ANNA), {ANNA: ALICE})

    def test_another_address(self) -> None:
        for other in ({"address": "bert@example.com"}, {"medium": "msisdn"}):
            self.say({"medium": "email", "address": "anna@example.com", "mxid": ALICE, **other})
            self.assertEqual(self.found(ANNA), {})

    def test_times(self) -> None:
        association: Mapping[str, object] = {"medium": "email", "address": "Anna@example.com", "mxid": ALICE}
        for not_before, not_after, good in (
            (NOW, NOW, True),
            (NOW + 1, NOW + 2, False),
            (NOW - 2, NOW - 1, False),
            (None, None, True),
        ):
            self.say({**association, "not_before": not_before, "not_after": not_after})
            self.assertEqual(self.found(ANNA), {ANNA: ALICE} if good else {})

    def test_nonsense(self) -> None:
        wrong: list[object] = [{"mxid": 1}, {"mxid": ALICE, "signatures": []}, {"mxid": ALICE, "not_after": "x"}]
        for content in ([], "", *wrong):
            self.say(content)
            self.assert_fails(ANNA)
        self.http.answers["GET", self.url] = HttpResponse(200, {}, b"<html>")
        self.assert_fails(ANNA)

    def test_errors(self) -> None:
        for status in (302, 404, 500):
            self.say({}, status)
            self.assert_fails(ANNA)


class BulkTests(V1Case):
    url = f"{API}/bulk_lookup"

    def test_many(self) -> None:
        self.http.answers["POST", self.url] = answer(
            {"threepids": [["msisdn", PHONE.address, BOB], ["email", "Anna@example.com", ALICE]]}
        )
        self.assertEqual(self.found(ANNA, BERT, PHONE), {ANNA: ALICE, PHONE: BOB})
        asked = [["email", ANNA.address], ["email", BERT.address], ["msisdn", PHONE.address]]
        self.assertEqual(json.loads(encode(self.http.sent[0].json)), {"threepids": asked})

    def test_more_than_one_request_holds(self) -> None:
        def everybody(sent: Sent) -> HttpResponse:
            asked: Any = sent.json
            return answer({"threepids": [[*each, ALICE] for each in asked["threepids"]]})

        self.http.answers["POST", self.url] = everybody
        many = [email(f"{number}") for number in range(2 * PORTION + 1)]
        self.assertEqual(self.found(*many), dict.fromkeys(many, ALICE))
        self.assertEqual(len(self.http.sent), 3)

    def test_nonsense(self) -> None:
        wrong: list[object] = [{}, [], {"threepids": [["email", "a"]]}, {"threepids": [["email", "a", None]]}]
        for content in wrong:
            self.http.answers["POST", self.url] = answer(content)
            self.assert_fails(ANNA, BERT)
