"""How deliveries come to an end, minute by minute and with stores and servers that fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import count, pairwise
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from mxisd.clock import DAY, HOUR, Random, now
from mxisd.matrix.threepid import email
from mxisd.outbox.courier import Outcome
from mxisd.outbox.worker import LEASE, MAX_ERRORS, POLL, REPEAT_WITHIN, SLOW, STOP_TIMEOUT, OutboxWorker
from mxisd.storage.archive import START
from mxisd.storage.contract import StorageUnavailable
from mxisd.storage.records import Delivery, Invite, Kind
from tests.make import binding, clock_at, invite, result
from tests.storage.inline import storage_in_memory

DONE = Outcome("done", "200")
LATER = Outcome("later", "connection refused")
LOST = Outcome("lost", "no answer within 300 seconds")
ERROR = Outcome("error", "500 M_UNKNOWN Internal server error")


class Other:
    """The other side: holds each attempt until it is told how it goes."""

    kind: Kind = "onbind"

    def __init__(self, repeatable: bool = False) -> None:
        self.repeatable = repeatable
        self.attempts: list[Delivery] = []
        self.waiting: list[Deferred[Outcome]] = []
        self.always: Outcome | None = None

    async def deliver(self, delivery: Delivery, invite: Invite | None) -> Outcome:
        self.attempts.append(delivery)
        if self.always is not None:
            return self.always
        held: Deferred[Outcome] = Deferred()
        self.waiting.append(held)
        return await held


class Flaky:
    """An outbox whose store can go away."""

    def __init__(self, outbox: Any) -> None:
        self._outbox = outbox
        self.away = False
        self.held: Deferred[None] | None = None
        """What the answers to claims wait for."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*arguments: Any) -> Any:
            if self.away:
                raise StorageUnavailable("gone fishing")
            answer = await getattr(self._outbox, name)(*arguments)
            if name == "claim" and self.held is not None:
                await self.held
            return answer

        return call


@implementer(IReactorTime)
class Process:
    """The time of one process: while it is alive, its timers go off."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.alive = True

    def seconds(self) -> float:
        return self._clock.seconds()

    def callLater(self, delay: float, callable: Callable[..., Any], *args: object, **kwargs: object) -> IDelayedCall:  # noqa: A002
        return self._clock.callLater(delay, lambda: callable(*args, **kwargs) if self.alive else None)

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        return self._clock.getDelayedCalls()


class Case(SynchronousTestCase):
    repeatable = False

    def setUp(self) -> None:
        self.clock = clock_at()
        self.numbers = count()
        self.storage = storage_in_memory()
        self.outbox = Flaky(self.storage.outbox)
        self.other = Other(self.repeatable)
        self.deliveries = self.worker()
        self.deliveries.startService()

    def worker(self, random: Random = bytes) -> OutboxWorker:
        """Another process: 255 of its random bytes is the shortest delay, 0 the whole one."""
        self.process = Process(self.clock)
        return OutboxWorker(self.outbox, self.other, self.process, random, give_up_after=timedelta(days=7))

    def queue(self, server: str = "example.org") -> None:
        """Invite an address and resolve it, which queues a delivery."""
        token = f"t{next(self.numbers)}"
        kept = invite(email("bob@example.com"), token=token, created=now(self.clock))
        result(self.storage.invites.add(kept, resend_before=0))
        result(self.storage.invites.end(token, "resolved", f"@bob:{server}", server, now(self.clock)))
        self.deliveries.wake()

    def stored(self) -> list[tuple[str, int, str | None]]:
        """State, attempts and last answer of all deliveries."""
        kept, _ = result(self.storage.archive.pack(Delivery, START))
        onbinds = [each for each in kept if isinstance(each, Delivery) and each.kind == "onbind"]
        return [(each.state, each.attempts, each.answer) for each in onbinds]

    def end(self, outcome: Outcome) -> None:
        """The attempt that was begun first ends."""
        self.other.waiting.pop(0).callback(outcome)

    def pass_time(self, seconds: float) -> None:
        """In steps, as timers that set timers need."""
        step = max(0.25, seconds / 500)
        self.clock.pump([step] * round(seconds / step))

    def die(self) -> None:
        """The process ends, without any of the courtesies, and another one begins."""
        self.deliveries.running = False
        self.process.alive = False
        self.deliveries = self.worker()
        self.deliveries.startService()


class DeliveryTests(Case):
    def test_what_is_queued_goes_out_at_once(self) -> None:
        self.queue()
        self.assertEqual(self.stored(), [("queued", 1, None)])
        self.end(DONE)
        self.assertEqual(self.stored(), [("done", 1, "200")])
        self.pass_time(120)
        self.assertEqual(len(self.other.attempts), 1)

    def test_what_another_process_queued_is_found_soon(self) -> None:
        self.deliveries, mine = self.worker(), self.deliveries
        self.queue()
        self.assertEqual(self.other.attempts, [])
        self.deliveries = mine
        self.clock.advance(POLL)
        self.assertEqual(len(self.other.attempts), 1)

    def test_a_refusal_is_final(self) -> None:
        self.queue()
        self.end(Outcome("refused", "403 M_FORBIDDEN Could not find invite"))
        self.pass_time(2 * 3600)
        self.assertEqual(self.stored(), [("refused", 1, "403 M_FORBIDDEN Could not find invite")])

    def test_what_became_moot_is_abandoned(self) -> None:
        self.queue()
        self.end(Outcome("moot", "the invite is not known any more"))
        self.assertEqual(self.stored(), [("abandoned", 1, "the invite is not known any more")])

    def test_retries_after_one_second_doubling_to_an_hour(self) -> None:
        self.other.always = LATER
        self.queue()
        times = [self.clock.seconds()]
        while len(times) < 15:
            before = len(self.other.attempts)
            while len(self.other.attempts) == before:
                self.clock.advance(0.5)
            times.append(self.clock.seconds())
        delays = [round(later - earlier) for earlier, later in pairwise(times)]
        self.assertEqual(delays, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600])

    def test_chance_takes_up_to_a_quarter_from_a_delay(self) -> None:
        self.successResultOf(self.deliveries.stopService())
        self.deliveries = self.worker(lambda size: b"\xff" * size)
        self.deliveries.startService()
        self.other.always = LATER
        self.queue()
        self.clock.advance(0.74)
        self.assertEqual(len(self.other.attempts), 1)
        self.clock.advance(0.02)
        self.assertEqual(len(self.other.attempts), 2)

    def test_waits_as_long_as_it_was_asked_to(self) -> None:
        self.queue()
        self.end(Outcome("later", "429 M_LIMIT_EXCEEDED", retry_after=90_000))
        self.pass_time(89)
        self.assertEqual(len(self.other.attempts), 1)
        self.pass_time(2)
        self.assertEqual(len(self.other.attempts), 2)

    def test_gives_up_after_a_last_attempt_at_the_end_of_the_time(self) -> None:
        self.other.always = Outcome("later", "503", retry_after=DAY * 6)
        self.queue()
        self.clock.advance(1)
        self.pass_time(6 * 86400 + 60)
        self.assertEqual(self.stored(), [("queued", 2, "503")])
        self.pass_time(86400)
        self.assertEqual(self.stored(), [("abandoned", 3, "503")])

    def test_internal_errors_are_tried_again_for_some_hours_only(self) -> None:
        self.other.always = ERROR
        self.queue()
        self.pass_time(5 * 3600)
        self.assertEqual(self.stored(), [("abandoned", MAX_ERRORS, ERROR.answer)])

    def test_a_server_that_was_away_still_may_have_errors(self) -> None:
        self.other.always = LATER
        self.queue()
        self.pass_time(20 * 3600)
        self.assertGreater(len(self.other.attempts), MAX_ERRORS)
        self.other.always = ERROR
        self.pass_time(4000)
        self.assertEqual(self.stored()[0][0], "queued")

    def test_a_lost_answer_is_repeated_at_once_and_once(self) -> None:
        self.queue()
        self.end(LOST)
        self.assertEqual(len(self.other.attempts), 2)
        self.end(LOST)
        self.pass_time(2 * 3600)
        self.assertEqual(self.stored(), [("unknown", 2, LOST.answer)])

    def test_a_lost_answer_may_be_made_good(self) -> None:
        self.queue()
        self.end(LOST)
        self.end(DONE)
        self.assertEqual(self.stored(), [("done", 2, "200")])

    def test_the_repetition_waits_for_a_server_that_is_restarted(self) -> None:
        self.queue()
        self.end(LOST)
        self.end(LATER)
        self.pass_time(1)
        self.end(ERROR)
        self.pass_time(2)
        self.end(DONE)
        self.assertEqual(self.stored(), [("done", 2, "200")])

    def test_the_repetition_is_made_soon_or_never(self) -> None:
        for outcome in (LATER, ERROR):
            self.queue()
            self.other.always = outcome
            self.end(LOST)
            self.pass_time(REPEAT_WITHIN - 1)
            self.assertEqual(self.stored()[-1][0], "queued")
            self.pass_time(2)
            self.assertEqual(self.stored()[-1], ("unknown", 2, outcome.answer))
            self.other.always = None

    def test_the_repetition_does_not_wait_for_long_because_it_was_asked_to(self) -> None:
        self.queue()
        self.end(LOST)
        self.end(Outcome("later", "429 M_LIMIT_EXCEEDED", retry_after=600_000))
        self.assertEqual(self.stored(), [("unknown", 2, "429 M_LIMIT_EXCEEDED")])

    def test_a_second_lost_answer_ends_it(self) -> None:
        self.queue()
        self.end(LOST)
        self.end(LATER)
        self.pass_time(1)
        self.end(LOST)
        self.assertEqual(self.stored(), [("unknown", 2, LOST.answer)])

    def test_a_defect_of_ours_counts_as_a_lost_answer(self) -> None:
        self.queue()
        self.other.waiting.pop(0).errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.other.attempts), 2)

    def test_an_attempt_during_which_the_process_died_is_repeated_once(self) -> None:
        self.queue()
        self.die()
        self.assertEqual(len(self.other.attempts), 1)
        self.pass_time(LEASE / 1000 + 1)
        self.assertEqual([(attempt.attempts, attempt.lost) for attempt in self.other.attempts], [(1, 0), (2, 1)])
        self.die()
        self.pass_time(3600)
        self.assertEqual(len(self.other.attempts), 2)
        self.assertEqual(self.stored(), [("unknown", 3, "the process ended during the attempt")])

    def test_a_dead_process_has_no_say_any_more(self) -> None:
        self.queue()
        self.die()
        self.pass_time(LEASE / 1000 + 1)
        self.end(Outcome("refused", "from beyond"))
        self.assertEqual(self.stored()[0][0], "queued")
        self.end(DONE)
        self.assertEqual(self.stored(), [("done", 2, "200")])

    def test_a_claim_lasts_as_long_as_its_attempt(self) -> None:
        other_process = self.worker()
        other_process.startService()
        self.queue()
        self.pass_time(299)
        self.assertEqual(len(self.other.attempts), 1)
        self.end(DONE)
        self.assertEqual(self.stored(), [("done", 1, "200")])

    def test_few_at_a_time_to_one_server_and_others_beside_it(self) -> None:
        for _ in range(6):
            self.queue()
        self.queue("elsewhere.example")
        self.assertEqual(
            [attempt.destination for attempt in self.other.attempts], ["example.org"] * 4 + ["elsewhere.example"]
        )
        self.end(DONE)
        self.assertEqual(len(self.other.attempts), 6)
        while self.other.waiting:
            self.end(DONE)
        self.assertEqual({state for state, _, _ in self.stored()}, {"done"})
        self.assertEqual(len(self.other.attempts), 7)

    def test_few_at_a_time_altogether(self) -> None:
        for number in range(40):
            self.queue(f"hs{number}.example")
        self.assertEqual(len(self.other.attempts), 32)
        self.end(DONE)
        self.assertEqual(len(self.other.attempts), 33)

    def test_a_store_that_is_away_is_waited_for(self) -> None:
        self.outbox.away = True
        self.queue()
        self.pass_time(60)
        self.assertEqual(self.other.attempts, [])
        self.outbox.away = False
        self.pass_time(POLL)
        self.assertEqual(len(self.other.attempts), 1)

    def test_an_outcome_waits_for_the_store_and_is_not_lost(self) -> None:
        self.queue()
        self.outbox.away = True
        self.end(DONE)
        self.pass_time(20)
        self.outbox.away = False
        self.pass_time(2)
        self.assertEqual(self.stored(), [("done", 1, "200")])
        self.assertEqual(len(self.other.attempts), 1)

    def test_a_stop_waits_for_what_is_under_way(self) -> None:
        self.queue()
        stopped = self.deliveries.stopService()
        self.queue()
        self.assertNoResult(stopped)
        self.end(DONE)
        self.successResultOf(stopped)
        self.assertEqual(self.stored(), [("done", 1, "200"), ("queued", 0, None)])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_stop_does_not_wait_for_ever(self) -> None:
        self.queue()
        stopped = self.deliveries.stopService()
        self.pass_time(STOP_TIMEOUT)
        self.successResultOf(stopped)
        self.assertEqual(self.stored(), [("queued", 1, None)])

    def test_a_claim_that_is_under_way_at_a_stop_is_given_back(self) -> None:
        self.outbox.held = Deferred()
        self.queue()
        stopped = self.deliveries.stopService()
        self.assertNoResult(stopped)
        self.outbox.held.callback(None)
        self.successResultOf(stopped)
        self.assertEqual(self.other.attempts, [])
        self.outbox.held = None
        # The next process takes it at once, and no attempt has been lost.
        self.deliveries = self.worker()
        self.deliveries.startService()
        (attempt,) = self.other.attempts
        self.assertEqual(attempt.lost, 0)

    def test_a_stop_does_not_wait_for_ever_for_a_claim(self) -> None:
        self.outbox.held = Deferred()
        self.queue()
        stopped = self.deliveries.stopService()
        self.pass_time(STOP_TIMEOUT)
        self.successResultOf(stopped)
        self.assertEqual(self.other.attempts, [])

    def test_few_that_hang_do_not_hold_up_the_others(self) -> None:
        for _ in range(20):
            self.queue()
        self.assertEqual(len(self.other.attempts), 4)
        self.pass_time(SLOW + POLL)
        self.assertEqual(len(self.other.attempts), 8)
        self.other.always = DONE
        self.pass_time(SLOW + POLL)
        self.assertEqual(len(self.other.attempts), 20)

    def test_those_that_hang_are_not_without_number(self) -> None:
        for number in range(200):
            self.queue(f"{number}.example.org")
        self.assertEqual(len(self.other.attempts), 32)
        self.pass_time(10 * (SLOW + POLL))
        self.assertEqual(len(self.other.attempts), 4 * 32)

    def test_a_stop_with_nothing_under_way_is_immediate(self) -> None:
        self.successResultOf(self.deliveries.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])


class NoticeTests(Case):
    def test_the_notice_of_a_binding_that_no_invite_waited_for_is_forgotten_once_it_is_over(self) -> None:
        result(self.storage.bindings.bind(binding(), "example.org"))
        self.deliveries.wake()
        self.assertEqual(self.stored(), [("queued", 1, None)])
        self.end(DONE)
        self.assertEqual(self.stored(), [])


class RepeatableDeliveryTests(Case):
    """Messages may arrive twice: after a lost attempt they are tried until they get through."""

    repeatable = True

    def test_lost_answers_are_retried_like_any_failure(self) -> None:
        self.other.always = LOST
        self.queue()
        self.pass_time(HOUR / 1000)
        self.assertEqual(len(self.other.attempts), 12)
        self.other.always = DONE
        self.pass_time(HOUR / 1000)
        self.assertEqual(self.stored(), [("done", 13, "200")])

    def test_attempts_during_which_the_process_died_are_repeated(self) -> None:
        self.queue()
        for attempt in range(1, 5):
            self.assertEqual(len(self.other.attempts), attempt)
            self.die()
            self.pass_time(LEASE / 1000 + 1)
        self.other.waiting.pop().callback(DONE)
        self.assertEqual(self.stored(), [("done", 5, "200")])

    def test_even_these_end(self) -> None:
        self.other.always = LOST
        self.queue()
        self.pass_time(7 * 86400 + 60)
        self.assertEqual(self.stored()[0][0], "abandoned")
