"""Sources that hang, fail, or lie."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prometheus_client import REGISTRY
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from mxisd.lookup.circuit_breaker import FAILURES, OPEN_FOR, CircuitBreaker
from mxisd.lookup.source import Unavailable, Unusable
from mxisd.matrix.threepid import ThreePid
from mxisd.net.errors import NotJson, TooLarge, status_error
from tests.lookup.book import ALICE, BOB, Book, email

ANNA, BERT = email("anna"), email("bert")
SECONDS = 10.0


class CircuitBreakerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.book = Book({ANNA: ALICE, BERT: BOB})
        self.guarded = CircuitBreaker(self.book, self.clock, timedelta(seconds=SECONDS))
        self.events = self.enterContext(capturedLogs())

        self.before = {result: self.total(result) for result in ("found", "missed", "failed", "skipped")}

    def total(self, result: str) -> float:
        labels = {"source": self.book.name, "result": result}
        return REGISTRY.get_sample_value("mxisd_lookups_total", labels) or 0

    def counted(self, result: str) -> float:
        """How often a lookup ended so, in this test."""
        return self.total(result) - self.before[result]

    def lines(self) -> list[str]:
        """What an administrator reads."""
        return [formatEvent(event) for event in self.events if event["log_level"] > LogLevel.debug]

    def ask(self, *threepids: ThreePid) -> Deferred[Any]:
        return Deferred.fromCoroutine(self.guarded.lookup(threepids or [ANNA]))

    def works(self) -> bool:
        """Whether an answer comes at once."""
        asked = self.ask()
        if isinstance(asked.result, dict):
            return True
        self.failureResultOf(asked, Unavailable)
        return False

    def break_(self) -> None:
        self.book.before = lambda: fail(ConnectionError("no route"))
        for _ in range(FAILURES):
            self.assertFalse(self.works())

    def test_answers_pass(self) -> None:
        self.assertEqual(self.successResultOf(self.ask(ANNA, BERT, email("c"))), {ANNA: ALICE, BERT: BOB})
        self.assertEqual(self.book.asked, [[ANNA, BERT, email("c")]])

    def test_a_source_that_hangs_is_not_waited_for(self) -> None:
        cancelled: list[object] = []
        self.book.before = lambda: Deferred(cancelled.append)
        asked = self.ask()
        self.clock.advance(SECONDS - 1)
        self.assertNoResult(asked)
        self.clock.advance(1)
        self.failureResultOf(asked, Unavailable)
        self.assertEqual(len(cancelled), 1)

    def test_addresses_are_counted_and_not_lookups(self) -> None:
        self.book.before = lambda: fail(ConnectionError("no route"))
        self.failureResultOf(self.ask(ANNA, BERT), Unavailable)
        self.assertEqual(self.counted("failed"), 2)

    def test_a_failure_now_and_then_changes_nothing(self) -> None:
        for _ in range(5):
            self.book.before = lambda: fail(ConnectionError("no route"))
            self.assertFalse(self.works())
            self.book.before = None
            self.assertTrue(self.works())
        self.assertEqual(self.lines(), [])

    def test_a_broken_source_is_not_asked(self) -> None:
        self.break_()
        self.book.before = None
        self.assertFalse(self.works())
        self.clock.advance(OPEN_FOR - 1)
        self.assertFalse(self.works())
        self.assertEqual(len(self.book.asked), FAILURES)
        self.clock.advance(1)
        self.assertTrue(self.works())
        self.assertTrue(self.works())
        self.assertEqual(self.counted("failed"), FAILURES)
        self.assertEqual(self.counted("skipped"), 2)

    def test_answers_that_cannot_be_used_do_not_break_it(self) -> None:
        for error in (Unusable("no user"), NotJson("no JSON"), TooLarge("too large"), status_error(404, "status 404")):
            self.book.before = lambda error=error: fail(error)
            for _ in range(FAILURES):
                self.assertFalse(self.works())
        self.book.before = None
        self.assertTrue(self.works())
        self.assertEqual(self.counted("failed"), 4 * FAILURES)
        self.assertIn("an answer of book cannot be used: no user", self.lines())

    def test_statuses_that_concern_the_server_break_it(self) -> None:
        for status in (429, 500, 503):
            self.book.before = lambda status=status: fail(status_error(status, f"status {status}"))
            for _ in range(FAILURES):
                self.assertFalse(self.works())
            self.book.before = None
            self.assertFalse(self.works())
            self.clock.advance(OPEN_FOR)
            self.assertTrue(self.works())

    def test_an_answer_that_cannot_be_used_shows_that_a_source_is_back(self) -> None:
        self.break_()
        self.clock.advance(OPEN_FOR)
        self.book.before = lambda: fail(Unusable("no user"))
        self.assertFalse(self.works())
        self.book.before = None
        self.assertTrue(self.works())

    def test_one_lookup_tries_a_broken_source_for_all(self) -> None:
        self.break_()
        self.clock.advance(OPEN_FOR)
        answer: Deferred[None] = Deferred()
        self.book.before = lambda: answer
        trial = self.ask()
        self.assertFalse(self.works())
        answer.callback(None)
        self.assertEqual(self.successResultOf(trial), {ANNA: ALICE})
        self.book.before = None
        self.assertTrue(self.works())

    def test_the_log_tells_when_it_breaks_and_when_it_answers_again(self) -> None:
        self.break_()
        for _ in range(3):
            self.clock.advance(OPEN_FOR)
            self.assertFalse(self.works())
        (line,) = self.lines()
        self.assertIn("book: circuit open after 3 failures in a row", line)
        self.assertIn("ConnectionError: no route", line)
        self.book.before = None
        self.clock.advance(OPEN_FOR)
        self.assertTrue(self.works())
        self.assertEqual(self.lines()[1:], ["book answers again"])

    def test_what_it_was_not_asked_about_is_not_taken(self) -> None:
        async def lookup(_: object) -> dict[ThreePid, str]:
            return {ANNA: ALICE, BERT: BOB}

        self.book.lookup = lookup  # type: ignore[assignment]  # a liar
        self.assertEqual(self.successResultOf(self.ask(BERT)), {BERT: BOB})

    def test_what_is_no_user_id_is_not_taken(self) -> None:
        for user_id in (
            "",
            "bob",
            "@bob",
            "bob:example.org",
            "@:example.org",
            "@b\nob:example.org",
            "@bob:exa mple.org",
        ):
            self.book.people[BERT] = user_id
            self.assertEqual(self.successResultOf(self.ask(ANNA, BERT)), {ANNA: ALICE}, user_id)
