"""Equal lookups at the same time."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from mxisd.lookup.single_flight import SingleFlight
from mxisd.matrix.threepid import ThreePid
from tests.lookup.book import ALICE, BOB, Book, email

ANNA, BERT, CARL = email("anna"), email("bert"), email("carl")


class JoinedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.book = Book({ANNA: ALICE, BERT: BOB})
        self.answers: list[Deferred[None]] = []
        self.book.before = self.wait
        self.joined = SingleFlight(self.book)

    def wait(self) -> Deferred[None]:
        self.answers.append(Deferred())
        return self.answers[-1]

    def ask(self, *threepids: ThreePid) -> Deferred[Any]:
        return Deferred.fromCoroutine(self.joined.lookup(threepids))

    def test_the_same_is_asked_once(self) -> None:
        first, second = self.ask(ANNA, BERT), self.ask(BERT, ANNA)
        self.assertEqual(self.book.asked, [[ANNA, BERT]])
        self.answers[0].callback(None)
        self.assertEqual(self.successResultOf(first), {ANNA: ALICE, BERT: BOB})
        self.assertEqual(self.successResultOf(second), {ANNA: ALICE, BERT: BOB})

    def test_only_what_is_not_under_way_is_asked(self) -> None:
        first, second, third = self.ask(ANNA), self.ask(ANNA, BERT, CARL), self.ask(CARL, ANNA)
        self.assertEqual(self.book.asked, [[ANNA], [BERT, CARL]])
        self.answers[1].callback(None)
        self.assertNoResult(second)
        self.answers[0].callback(None)
        self.assertEqual(self.successResultOf(first), {ANNA: ALICE})
        self.assertEqual(self.successResultOf(second), {ANNA: ALICE, BERT: BOB})
        self.assertEqual(self.successResultOf(third), {ANNA: ALICE})

    def test_an_address_given_twice_is_asked_once(self) -> None:
        asked = self.ask(ANNA, ANNA)
        self.answers[0].callback(None)
        self.assertEqual(self.successResultOf(asked), {ANNA: ALICE})
        self.assertEqual(self.book.asked, [[ANNA]])

    def test_nothing_is_remembered(self) -> None:
        self.book.before = None
        for _ in range(2):
            self.assertEqual(self.successResultOf(self.ask(ANNA)), {ANNA: ALICE})
        self.assertEqual(self.book.asked, [[ANNA], [ANNA]])

    def test_a_failure_is_everybodys(self) -> None:
        asked = [self.ask(ANNA), self.ask(ANNA), self.ask(ANNA, BERT)]
        self.answers[1].callback(None)
        self.answers[0].errback(ConnectionError())
        for each in asked:
            self.failureResultOf(each, ConnectionError)
        self.book.before = None
        self.assertEqual(self.successResultOf(self.ask(ANNA)), {ANNA: ALICE})

    def test_one_who_stops_waiting_does_not_stop_the_others(self) -> None:
        first, second = self.ask(ANNA), self.ask(ANNA)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.answers[0].callback(None)
        self.assertEqual(self.successResultOf(second), {ANNA: ALICE})
