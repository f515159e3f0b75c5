"""Time goes on steadily, whatever is done to the system's clock."""

from __future__ import annotations

import time
from typing import Any

from twisted.internet.selectreactor import SelectReactor
from twisted.trial.unittest import SynchronousTestCase

from mxisd.clock import SteadyClock
from mxisd.reactor import installed_reactor

NOW = 1_700_000_000.0
HOUR, DAY = 3600.0, 86400.0


class SteadyClockTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.wall, self.steady = NOW, 5.0
        self.seconds = SteadyClock(lambda: self.wall, lambda: self.steady)

    def pass_time(self, seconds: float) -> float:
        """How much later it is then, as the clock has it."""
        before = self.seconds()
        self.wall += seconds
        self.steady += seconds
        return self.seconds() - before

    def test_it_begins_with_the_time(self) -> None:
        self.assertEqual(self.seconds(), NOW)
        self.assertAlmostEqual(self.pass_time(60), 60)

    def test_a_clock_that_is_set_does_not_make_it_jump(self) -> None:
        for by in (HOUR, -HOUR, DAY - 1, 1 - DAY):
            self.setUp()
            self.wall += by
            self.assertEqual(self.seconds(), NOW)
            self.assertLessEqual(abs(self.pass_time(30) - 30), 3.001)

    def test_but_it_follows(self) -> None:
        for by in (HOUR, -HOUR, 0.5, -0.5):
            self.setUp()
            self.wall += by
            for _ in range(11 * 60):
                self.assertGreater(self.pass_time(60), 0)
            self.assertAlmostEqual(self.seconds(), self.wall, places=3)
            self.assertAlmostEqual(self.pass_time(60), 60)

    def test_a_time_that_was_far_off_is_set_right_at_once(self) -> None:
        for by in (50 * 365 * DAY, -2 * DAY):
            self.setUp()
            self.wall += by
            self.assertEqual(self.seconds(), NOW + by)

    def test_timers_go_off_though_the_clock_is_set_back(self) -> None:
        reactor: Any = SelectReactor()
        reactor.seconds = self.seconds
        gone_off: list[str] = []
        reactor.callLater(10, gone_off.append, "in ten seconds")
        self.wall -= HOUR
        self.pass_time(9)
        reactor.runUntilCurrent()
        self.assertEqual(gone_off, [])
        self.pass_time(3)
        reactor.runUntilCurrent()
        self.assertEqual(gone_off, ["in ten seconds"])

    def test_the_reactor_goes_by_it(self) -> None:
        reactor = installed_reactor()
        self.assertIs(installed_reactor().seconds, reactor.seconds)
        self.assertLess(abs(reactor.seconds() - time.time()), 60)
