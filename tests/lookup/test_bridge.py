"""A bridge that has a user for any address."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mxisd.lookup.bridge import Bridge, OneByOne
from mxisd.lookup.v1 import PATH, V1
from mxisd.matrix.threepid import ThreePid
from tests.lookup.book import ALICE, BOB, Book, email
from tests.make import result
from tests.matrix.fakes import FakeHttp, answer

ANNA = email("anna")
PHONE = ThreePid("msisdn", "491510000000")


class BridgeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.http = FakeHttp()

    def serve(self, base_url: str, threepid: ThreePid, user_id: str) -> None:
        address = threepid.address.replace("@", "%40")
        self.http.answers["GET", f"{base_url}{PATH}/lookup?medium={threepid.medium}&address={address}"] = answer(
            {"medium": threepid.medium, "address": threepid.address, "mxid": user_id}
        )

    def found(self, server: str | None, by_medium: dict[str, str], *threepids: ThreePid) -> Any:
        bridge = Bridge(V1(self.http, Clock()), server, by_medium)
        return result(bridge.lookup(threepids))

    def test_one_for_all_media(self) -> None:
        self.serve("http://bridge", ANNA, ALICE)
        self.serve("http://bridge", PHONE, BOB)
        self.assertEqual(self.found("http://bridge", {}, ANNA, PHONE), {ANNA: ALICE, PHONE: BOB})

    def test_one_for_a_medium(self) -> None:
        self.serve("http://bridge", PHONE, BOB)
        self.serve("http://mail", ANNA, ALICE)
        self.assertEqual(self.found("http://bridge", {"email": "http://mail"}, ANNA, PHONE), {ANNA: ALICE, PHONE: BOB})
        self.assertEqual(self.found(None, {"email": "http://mail"}, ANNA, PHONE), {ANNA: ALICE})

    def test_urls_with_a_path(self) -> None:
        self.serve("http://host/bridge", ANNA, ALICE)
        for url in ("http://host/bridge", "http://host/bridge/", f"http://host/bridge{PATH}/lookup"):
            self.assertEqual(self.found(url, {}, ANNA), {ANNA: ALICE})

    def test_many_are_asked_one_by_one(self) -> None:
        book = Book({ANNA: ALICE, PHONE: BOB})
        one_by_one = OneByOne(book, Clock(), timedelta(seconds=10))
        found = result(one_by_one.lookup([ANNA, email("b"), PHONE]))
        self.assertEqual(found, {ANNA: ALICE, PHONE: BOB})
        self.assertEqual(book.asked, [[ANNA], [email("b")], [PHONE]])
