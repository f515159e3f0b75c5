"""Who is asked, and for whom."""

from __future__ import annotations

import json
from ipaddress import ip_network

from twisted.internet.defer import fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mxisd.lookup.chain import Lookup
from mxisd.lookup.recursion import Recursion
from mxisd.lookup.source import Unavailable
from mxisd.matrix.signing import verify
from mxisd.matrix.threepid import ThreePid
from tests.lookup.book import ALICE, BOB, Book, email
from tests.make import binding, clock_at, result, signer_for
from tests.storage.inline import storage_in_memory

ANNA, BERT, CARL = email("anna"), email("bert"), email("carl")
CAROL = "@carol:example.org"


class ChainTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.storage = storage_in_memory()
        self.signer = signer_for()
        self.first, self.second = Book(name="first"), Book(name="second")
        self.clock = clock_at()
        self.lookup = Lookup(self.storage.bindings, [self.first, self.second], self.signer, self.clock)

    def bind(self, threepid: ThreePid, user_id: str) -> None:
        result(self.storage.bindings.bind(binding(threepid, user_id), "example.org"))

    def test_bindings_come_first_then_the_sources_in_their_order(self) -> None:
        self.bind(ANNA, ALICE)
        self.first.people = {ANNA: BOB, BERT: BOB}
        self.second.people = {ANNA: CAROL, BERT: CAROL, CARL: CAROL}
        self.assertEqual(result(self.lookup.find_many([ANNA, BERT, CARL])), {ANNA: ALICE, BERT: BOB, CARL: CAROL})
        self.assertEqual(self.first.asked, [[BERT, CARL]])
        self.assertEqual(self.second.asked, [[CARL]])

    def test_nobody_is_asked_when_all_are_found(self) -> None:
        self.first.people = {ANNA: ALICE}
        self.assertEqual(result(self.lookup.find(ANNA)), ALICE)
        self.assertEqual(self.second.asked, [])

    def test_it_goes_on_without_a_source_that_cannot_be_asked(self) -> None:
        self.first.before = lambda: fail(Unavailable())
        self.second.people = {ANNA: ALICE}
        self.assertEqual(result(self.lookup.find(ANNA)), ALICE)

    def test_what_is_bound_is_as_it_was_signed(self) -> None:
        self.bind(ANNA, ALICE)
        self.assertEqual(result(self.lookup.signed(ANNA)), binding(ANNA, ALICE).signed)

    def test_what_a_source_says_is_signed_by_us(self) -> None:
        self.first.people = {ANNA: ALICE}
        signed = json.loads(result(self.lookup.signed(ANNA)) or b"")
        self.assertEqual((signed["address"], signed["mxid"]), (ANNA.address, ALICE))
        key = self.signer.public_key(self.signer.key_id) or ""
        self.assertTrue(verify(signed, "example.org", self.signer.key_id, key))
        self.assertIsNone(result(self.lookup.signed(BERT)))


class RecursionTests(SynchronousTestCase):
    def setUp(self) -> None:
        bindings, signer, clock = storage_in_memory().bindings, signer_for(), Clock()
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
