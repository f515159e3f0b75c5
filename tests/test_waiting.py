"""Waiting, with a clock to turn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mxisd.waiting import Alarm, SharedResult, Turns, Work, background, gather, spread, within


class Late(Exception):
    pass


class Task:
    """Work that ends when it is told to."""

    def __init__(self) -> None:
        self.begun = False
        self.ended: Deferred[str] = Deferred()

    async def work(self) -> str:
        self.begun = True
        return await self.ended


class WaitingCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.tasks = [Task() for _ in range(5)]

    def begin(self, work: Work[Any]) -> Deferred[Any]:
        return Deferred.fromCoroutine(work)

    def works(self) -> Iterator[Work[str]]:
        return (task.work() for task in self.tasks)

    def begun(self) -> list[int]:
        return [number for number, task in enumerate(self.tasks) if task.begun]


class WithinTests(WaitingCase):
    def test_in_time(self) -> None:
        result = self.begin(within(5, self.clock, self.tasks[0].work(), Late()))
        self.tasks[0].ended.callback("done")
        self.assertEqual(self.successResultOf(result), "done")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_late(self) -> None:
        result = self.begin(within(5, self.clock, self.tasks[0].work(), Late()))
        self.clock.advance(5)
        self.failureResultOf(result, Late)
        self.assertTrue(self.tasks[0].ended.called)

    def test_an_error_is_its_own(self) -> None:
        result = self.begin(within(5, self.clock, self.tasks[0].work(), Late()))
        self.tasks[0].ended.errback(OSError())
        self.failureResultOf(result, OSError)


class GatherTests(WaitingCase):
    def test_all_begin_at_once_and_keep_their_order(self) -> None:
        result = self.begin(gather(self.works()))
        self.assertEqual(self.begun(), [0, 1, 2, 3, 4])
        for number in (4, 2, 0, 1, 3):
            self.assertNoResult(result)
            self.tasks[number].ended.callback(str(number))
        self.assertEqual(self.successResultOf(result), ["0", "1", "2", "3", "4"])

    def test_nothing(self) -> None:
        self.assertEqual(self.successResultOf(self.begin(gather([]))), [])

    def test_the_first_error_is_raised_as_it_is(self) -> None:
        result = self.begin(gather(self.works()))
        self.tasks[3].ended.errback(OSError("away"))
        self.assertEqual(str(self.failureResultOf(result, OSError).value), "away")
        self.tasks[1].ended.errback(ValueError())  # which nobody waits for any more
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_cancelled(self) -> None:
        result = self.begin(gather(self.works()))
        result.cancel()
        self.failureResultOf(result, CancelledError)
        self.assertTrue(all(task.ended.called for task in self.tasks))


class SpreadTests(WaitingCase):
    def setUp(self) -> None:
        super().setUp()
        self.result = self.begin(spread(self.works(), 2, 10, self.clock))

    def test_so_many_at_once(self) -> None:
        self.assertEqual(self.begun(), [0, 1])
        self.tasks[1].ended.callback("1")
        self.assertEqual(self.begun(), [0, 1, 2])
        for number in (0, 2, 3, 4):
            self.tasks[number].ended.callback(str(number))
        self.assertEqual(sorted(self.successResultOf(self.result)), ["0", "1", "2", "3", "4"])

    def test_what_is_late_is_left_out(self) -> None:
        self.tasks[0].ended.callback("0")
        self.clock.advance(10)
        self.assertEqual(self.successResultOf(self.result), ["0"])
        self.assertEqual(self.begun(), [0, 1, 2])
        self.assertTrue(self.tasks[1].ended.called)

    def test_an_error(self) -> None:
        self.tasks[1].ended.errback(OSError())
        self.failureResultOf(self.result, OSError)


class StubbornTests(WaitingCase):
    def test_nothing_begins_after_the_time_is_up(self) -> None:
        """Work may make an answer of it that it was cancelled."""

        async def stubborn(task: Task) -> str:
            try:
                return await task.work()
            except CancelledError:
                return "cancelled"

        result = self.begin(spread(map(stubborn, self.tasks), 2, 10, self.clock))
        self.clock.advance(10)
        self.successResultOf(result)
        self.assertEqual(self.begun(), [0, 1])


class BackgroundTests(WaitingCase):
    def test_a_failure_is_logged_by_name(self) -> None:
        ended = background("the work", self.tasks[0].work())
        self.assertTrue(self.tasks[0].begun)
        self.assertNoResult(ended)
        self.tasks[0].ended.errback(OSError())
        self.successResultOf(ended)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_cancelled_in_silence(self) -> None:
        ended = background("the work", self.tasks[0].work())
        ended.cancel()
        self.successResultOf(ended)
        self.assertTrue(self.tasks[0].ended.called)


class SharedResultTests(WaitingCase):
    def setUp(self) -> None:
        super().setUp()
        self.result: SharedResult[str] = SharedResult()
        self.early = self.begin(self.result.wait())
        self.result.begin(self.tasks[0].work())
        self.later = self.begin(self.result.wait())

    def test_for_all(self) -> None:
        self.tasks[0].ended.callback("done")
        latest = self.begin(self.result.wait())
        self.assertEqual([self.successResultOf(each) for each in (self.early, self.later, latest)], ["done"] * 3)

    def test_an_error_too(self) -> None:
        self.tasks[0].ended.errback(OSError())
        for each in (self.early, self.later, self.begin(self.result.wait())):
            self.failureResultOf(each, OSError)

    def test_one_who_is_cancelled_does_not_stop_the_others(self) -> None:
        self.early.cancel()
        self.failureResultOf(self.early, CancelledError)
        self.tasks[0].ended.callback("done")
        self.assertEqual(self.successResultOf(self.later), "done")

    def test_an_error_that_nobody_waits_for(self) -> None:
        for each in (self.early, self.later):
            each.cancel()
            self.failureResultOf(each, CancelledError)
        self.tasks[0].ended.errback(OSError())
        self.assertEqual(self.flushLoggedErrors(), [])


class AlarmTests(WaitingCase):
    def setUp(self) -> None:
        super().setUp()
        self.alarm = Alarm(self.clock)

    def test_after_a_while(self) -> None:
        waiting = self.begin(self.alarm.wait(5))
        self.clock.advance(4)
        self.assertNoResult(waiting)
        self.clock.advance(1)
        self.successResultOf(waiting)
        self.assertNoResult(self.begin(self.alarm.wait(5)))

    def test_rung(self) -> None:
        waiting = self.begin(self.alarm.wait(5))
        self.alarm.ring()
        self.successResultOf(waiting)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertNoResult(self.begin(self.alarm.wait(5)))

    def test_a_ring_while_nobody_waits_is_not_missed(self) -> None:
        self.alarm.ring()
        self.alarm.ring()
        self.successResultOf(self.begin(self.alarm.wait(5)))
        self.assertNoResult(self.begin(self.alarm.wait(5)))

    def test_cancelled(self) -> None:
        waiting = self.begin(self.alarm.wait(5))
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.alarm.ring()
        self.successResultOf(self.begin(self.alarm.wait(5)))


class TurnsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.turns = Turns(self.clock)
        self.done: list[int] = []

    def begin(self, number: int) -> Deferred[None]:
        async def work() -> None:
            async with self.turns:
                self.done.append(number)
                if number < 0:
                    raise ValueError(number)

        return Deferred.fromCoroutine(work())

    def test_each_waits_for_the_reactor(self) -> None:
        for number in range(3):
            self.begin(number)
        self.assertEqual(self.done, [0])
        self.clock.advance(0)
        self.assertEqual(self.done, [0, 1, 2])

    def test_one_that_fails_or_does_not_wait_holds_up_nobody(self) -> None:
        self.failureResultOf(self.begin(-1), ValueError)
        left, next_ = self.begin(1), self.begin(2)
        left.cancel()
        self.failureResultOf(left, CancelledError)
        self.clock.advance(0)
        self.successResultOf(next_)
        self.clock.advance(0)
        self.successResultOf(self.begin(3))
        self.assertEqual(self.done, [-1, 2, 3])
