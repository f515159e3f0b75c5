"""Which algorithms may be used for lookups."""

from __future__ import annotations

from datetime import timedelta

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mxisd.lookup.chain import Lookup
from mxisd.lookup.hashed import HashedLookup
from mxisd.lookup.index import HashIndex
from mxisd.matrix.error import MatrixError
from tests.lookup.book import ALICE, Book, email
from tests.make import result, signer_for
from tests.storage.inline import at_once, storage_in_memory


class AlgorithmTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.storage, self.clock = storage_in_memory(), Clock()
        book = Book({email("anna"): ALICE})
        self.plain = Lookup(self.storage.bindings, [book], signer_for(), self.clock)

    def hashed(self, *algorithms: str) -> HashedLookup:
        hashes, cooldowns = self.storage.hashes, self.storage.cooldowns
        return HashedLookup(
            hashes,
            HashIndex(hashes, cooldowns, [], at_once, self.clock, bytes, 20, timedelta(minutes=10), lookups=2),
            algorithms,
        )

    def test_others_are_neither_offered_nor_taken(self) -> None:
        for algorithms in (("sha256",), ("none",), ("none", "sha256"), ()):
            hashed = self.hashed(*algorithms)
            details = result(hashed.details())
            self.assertEqual(details["algorithms"], list(algorithms))
            for algorithm in ("sha256", "none", "md5"):
                found = Deferred.fromCoroutine(hashed.find(algorithm, str(details["lookup_pepper"]), [], self.plain))
                if algorithm in algorithms:
                    self.assertEqual(self.successResultOf(found), {})
                else:
                    self.assertEqual(self.failureResultOf(found, MatrixError).value.errcode, "M_INVALID_PARAM")

    def test_addresses_in_the_clear_are_asked_for_where_the_client_may(self) -> None:
        hashed = self.hashed("none")
        pepper = str(result(hashed.details())["lookup_pepper"])
        asked = ["Anna@example.com email", "bert@example.com email"]
        self.assertEqual(result(hashed.find("none", pepper, asked, self.plain)), {asked[0]: ALICE})
