"""What is given out of what was taken before."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from mxisd.limits.ahead import KEPT, Ahead
from mxisd.storage.buckets import Charge
from tests.make import NOW, result
from tests.storage.inline import storage_in_memory


class Counting:
    """Buckets that know how often they were asked."""

    def __init__(self) -> None:
        self._buckets = storage_in_memory().buckets
        self.asked = 0
        self.held: Deferred[None] | None = None

    async def take(self, charges: Sequence[Charge], now: int) -> list[int]:
        self.asked += 1
        if self.held is not None:
            await self.held
        return await self._buckets.take(charges, now)


class AheadTests(TestCase):
    def setUp(self) -> None:
        self.buckets = Counting()

    def taken(self, by: Sequence[Ahead], requests: int, cost: int = 1, later: int = 0, capacity: int = 20_000) -> int:
        """How many of these requests, by processes in turn, get through."""
        charge = Charge("a", cost, capacity)
        return sum(result(by[n % len(by)].take(charge, NOW + later)) == 0 for n in range(requests))

    def test_the_storage_is_asked_seldom(self) -> None:
        self.assertEqual(self.taken([Ahead(self.buckets)], 10_000), 10_000)
        self.assertEqual(self.buckets.asked, 50)

    def test_one_process_gives_out_what_there_is(self) -> None:
        for cost, most in ((1, 20_000), (7, 2857), (150, 133), (10_000, 2)):
            self.buckets = Counting()
            self.assertEqual(self.taken([Ahead(self.buckets)], most + 300, cost), most)

    def test_several_give_out_no_more(self) -> None:
        taken = self.taken([Ahead(self.buckets) for _ in range(4)], 30_000)
        self.assertEqual(taken, 20_000)

    async def test_many_at_once(self) -> None:
        ahead = Ahead(self.buckets)
        self.buckets.held = Deferred()
        charge = Charge("a", 1, 20_000)
        asked = [Deferred.fromCoroutine(ahead.take(charge, NOW)) for _ in range(1000)]
        self.buckets.held.callback(None)
        self.assertEqual(await gatherResults(asked), [0] * 1000)
        self.buckets.held = None
        self.assertEqual(self.taken([ahead], 30_000), 19_000)

    def test_small_buckets_are_exact(self) -> None:
        both = [Ahead(self.buckets) for _ in range(2)]
        self.assertEqual(self.taken(both, 100, cost=5, capacity=250), 50)
        self.assertEqual(self.taken(both, 100, cost=5, capacity=250, later=7), 1)

    def test_what_is_left_over_does_not_last(self) -> None:
        ahead = Ahead(self.buckets)
        for minute in range(10):
            self.assertEqual(self.taken([ahead], 1, later=minute * 60_000), 1)
        self.assertEqual(self.buckets.asked, 10)
        self.assertEqual(self.taken([ahead], 30_000, later=9 * 60_000 + KEPT - 1), 20_000 + 199)

    def test_a_refusal_says_how_long_to_wait(self) -> None:
        ahead = Ahead(self.buckets)
        self.taken([ahead], 30_000)
        self.assertEqual(result(ahead.take(Charge("a", 5, 20_000), NOW)), 5)
        self.assertEqual(result(ahead.take(Charge("a", 5, 20_000), NOW + 5)), 0)
