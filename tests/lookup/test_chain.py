"""Who is asked, and for whom."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mxisd.lookup.chain import Lookup
from mxisd.lookup.recursion import Recursion
from mxisd.lookup.source import Unavailable
from mxisd.matrix.signing import Signer, verify
from mxisd.matrix.threepid import ThreePid
from mxisd.storage.records import Binding
from tests.lookup.book import ALICE, BOB, Book, email
from tests.storage.inline import storage_in_memory
from tests.web.app import SIGNING_KEY

T = TypeVar("T")

ANNA, BERT, CARL = email("anna"), email("bert"), email("carl")
CAROL = "@carol:example.org"


class ChainTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.storage = storage_in_memory()
        self.signer = Signer("example.org", [SIGNING_KEY])
        self.first, self.second = Book(name="first"), Book(name="second")
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.lookup = Lookup(self.storage.bindings, [self.first, self.second], self.signer, self.clock)

    def bind(self, threepid: ThreePid, user_id: str) -> None:
        binding = Binding(threepid=threepid, user_id=user_id, bound_at=0, signed=b'{"as":"signed"}')
        self.result(self.storage.bindings.bind(binding, "example.org"))

    def result(self, coroutine: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def test_bindings_come_first_then_the_sources_in_their_order(self) -> None:
        self.bind(ANNA, ALICE)
        self.first.people = {ANNA: BOB, BERT: BOB}
        self.second.people = {ANNA: CAROL, BERT: CAROL, CARL: CAROL}
        self.assertEqual(self.result(self.lookup.find_many([ANNA, BERT, CARL])), {ANNA: ALICE, BERT: BOB, CARL: CAROL})
        self.assertEqual(self.first.asked, [[BERT, CARL]])
        self.assertEqual(self.second.asked, [[CARL]])

    def test_nobody_is_asked_when_all_are_found(self) -> None:
        self.first.people = {ANNA: ALICE}
        self.assertEqual(self.result(self.lookup.find(ANNA)), ALICE)
        self.assertEqual(self.second.asked, [])

    def test_it_goes_on_without_a_source_that_cannot_be_asked(self) -> None:
        self.first.before = lambda: fail(Unavailable())
        self.second.people = {ANNA: ALICE}
        self.assertEqual(self.result(self.lookup.find(ANNA)), ALICE)

    def test_what_is_bound_is_as_it_was_signed(self) -> None:
        self.bind(ANNA, ALICE)
        self.assertEqual(self.result(self.lookup.signed(ANNA)), b'{"as":"signed"}')

    def test_what_a_source_says_is_signed_by_us(self) -> None:
        self.first.people = {ANNA: ALICE}
        signed = json.loads(self.result(self.lookup.signed(ANNA)))
        self.assertEqual((signed["address"], signed["mxid"]), (ANNA.address, ALICE))
        key = self.signer.public_key(self.signer.key_id) or ""
        self.assertTrue(verify(signed, "example.org", self.signer.key_id, key))
        self.assertIsNone(self.result(self.lookup.signed(BERT)))


class RecursionTests(SynchronousTestCase):
    def setUp(self) -> None:
        bindings, signer, clock = storage_in_memory().bindings, Signer("example.org", [SIGNING_KEY]), Clock()
        self.here, self.everywhere = (Lookup(bindings, [], signer, clock) for _ in range(2))
        networks = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
        self.recursion = Recursion(self.here, self.everywhere, networks)

    def test_networks(self) -> None:
        for requester in ("10.1.2.3", "fd00::1"):
            self.assertIs(self.recursion.of(requester), self.everywhere, requester)
        for requester in ("11.1.2.3", "::1", "127.0.0.1", "", "unknown", "10.1.2.3.4", "10.1.2.3, 10.1.2.3"):
            self.assertIs(self.recursion.of(requester), self.here, requester)

    def test_for_nobody(self) -> None:
        self.assertIs(Recursion(self.here, self.everywhere, ()).of("127.0.0.1"), self.here)
