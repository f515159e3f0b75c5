from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mxisd.cache import Cache, OldestOut


class CacheTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.cache: Cache[str, str] = Cache(self.clock, 2)
        self.loads: list[tuple[str | None, Deferred[str]]] = []

    def get(self, key: str = "key", seconds: float = 10) -> Deferred[str]:
        async def load(expired: str | None) -> tuple[str, float]:
            answer: Deferred[str] = Deferred()
            self.loads.append((expired, answer))
            return await answer, seconds

        return Deferred.fromCoroutine(self.cache.get(key, load))

    def answer(self, value: Any) -> None:
        self.loads[-1][1].callback(value)

    def test_kept_until_it_expires(self) -> None:
        first = self.get()
        self.answer("one")
        self.assertEqual(self.successResultOf(first), "one")
        self.clock.advance(9)
        self.assertEqual(self.successResultOf(self.get()), "one")
        self.clock.advance(1)
        again = self.get()
        self.assertEqual(self.loads[-1][0], "one")
        self.answer("two")
        self.assertEqual(self.successResultOf(again), "two")

    def test_one_load_for_all_who_wait(self) -> None:
        waiting = [self.get() for _ in range(3)]
        waiting[0].cancel()
        self.failureResultOf(waiting[0], CancelledError)
        self.answer("one")
        self.assertEqual([self.successResultOf(each) for each in waiting[1:]], ["one", "one"])
        self.assertEqual(len(self.loads), 1)

    def test_failures_reach_all_and_are_not_kept(self) -> None:
        waiting = [self.get(), self.get()]
        self.loads[-1][1].errback(OSError("away"))
        for each in waiting:
            self.failureResultOf(each, OSError)
        later = self.get()
        self.answer("one")
        self.assertEqual(self.successResultOf(later), "one")

    def test_bounded(self) -> None:
        for key in ("a", "b", "c"):
            self.get(key)
            self.answer(key)
        self.get("c"), self.get("b")
        self.assertEqual(len(self.loads), 3)
        self.assertNoResult(self.get("a"))


class OldestOutTests(SynchronousTestCase):
    def test_what_was_set_longest_ago_goes_first(self) -> None:
        kept: OldestOut[str, int] = OldestOut(2)
        kept["a"], kept["b"] = 1, 2
        kept["a"] = 3
        kept["c"] = 4
        self.assertEqual(kept, {"a": 3, "c": 4})
