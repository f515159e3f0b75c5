"""Answers that are kept for a while."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from twisted.internet.defer import fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mxisd.lookup.cached import Answers, Cached
from mxisd.lookup.source import Unavailable
from mxisd.matrix.threepid import ThreePid
from tests.lookup.book import ALICE, BOB, Book, email
from tests.make import result

ANNA, BERT, CARL = email("anna"), email("bert"), email("carl")
FOUND, MISSED = 300, 60


class CachedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.book = Book({ANNA: ALICE, BERT: BOB})
        self.answers = Answers(self.clock, timedelta(seconds=FOUND), timedelta(seconds=MISSED), capacity=3)
        self.cached = Cached(self.book, self.answers)

    def ask(self, *threepids: ThreePid) -> Any:
        return result(self.cached.lookup(threepids))

    def test_what_was_found_is_not_asked_again_for_a_while(self) -> None:
        self.assertEqual(self.ask(ANNA), {ANNA: ALICE})
        self.book.people[ANNA] = BOB
        self.clock.advance(FOUND - 1)
        self.assertEqual(self.ask(ANNA), {ANNA: ALICE})
        self.clock.advance(1)
        self.assertEqual(self.ask(ANNA), {ANNA: BOB})

    def test_nor_is_what_was_missed_for_a_shorter_one(self) -> None:
        self.assertEqual(self.ask(CARL), {})
        self.book.people[CARL] = BOB
        self.clock.advance(MISSED - 1)
        self.assertEqual(self.ask(CARL), {})
        self.clock.advance(1)
        self.assertEqual(self.ask(CARL), {CARL: BOB})

    def test_only_the_rest_is_asked(self) -> None:
        self.ask(ANNA)
        self.assertEqual(self.ask(CARL, ANNA, BERT), {ANNA: ALICE, BERT: BOB})
        self.assertEqual(self.book.asked, [[ANNA], [CARL, BERT]])

    def test_sources_have_answers_of_their_own(self) -> None:
        other = Cached(Book({CARL: BOB}, name="other"), self.answers)
        self.assertEqual(self.ask(CARL), {})
        self.assertEqual(result(other.lookup([CARL])), {CARL: BOB})

    def test_memory_is_bounded(self) -> None:
        for threepid in (ANNA, BERT, CARL, email("d")):
            self.ask(threepid)
        self.ask(BERT, CARL)
        self.assertEqual(len(self.book.asked), 4)
        self.ask(ANNA)
        self.assertEqual(len(self.book.asked), 5)

    def test_no_answer_is_nothing_to_keep(self) -> None:
        self.book.before = lambda: fail(Unavailable())
        self.assertRaises(Unavailable, result, self.cached.lookup([ANNA]))
        self.book.before = None
        self.assertEqual(self.ask(ANNA), {ANNA: ALICE})

    def test_what_is_known_is_known_without_the_source(self) -> None:
        self.ask(ANNA)
        self.book.before = lambda: fail(Unavailable())
        self.assertEqual(self.ask(ANNA, BERT), {ANNA: ALICE})
