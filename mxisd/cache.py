"""Answers that are kept for a while, and fetched once for all who ask at a time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

K = TypeVar("K")
V = TypeVar("V")

Load = Callable[[V | None], Coroutine[Deferred[Any], Any, tuple[V, float]]]
"""Fetches a value, given the expired one if it is still there; returns it with the seconds that it is good for."""


class Cache(Generic[K, V]):
    """At most ``capacity`` values; the one loaded longest ago goes first."""

    def __init__(self, clock: IReactorTime, capacity: int) -> None:
        self._clock = clock
        self._capacity = capacity
        self._values: dict[K, tuple[V, float]] = {}
        self._waiting: dict[K, list[Deferred[V]]] = {}

    async def get(self, key: K, load: Load[V]) -> V:
        """
        The value kept, or else the loaded one.

        What ``load`` raises is raised to all who wait for it, and not kept.  One who stops waiting does not stop the
        others.
        """
        value, expiry = self._values.get(key, (None, 0.0))
        if value is not None and self._clock.seconds() < expiry:
            return value
        waiter: Deferred[V] = Deferred()
        if key in self._waiting:
            self._waiting[key].append(waiter)
        else:
            self._waiting[key] = [waiter]
            Deferred.fromCoroutine(self._load(key, load, value)).addBoth(self._tell, key)
        return await waiter

    def forget(self, key: K) -> None:
        """Load a value anew when it is next asked for."""
        self._values.pop(key, None)

    async def _load(self, key: K, load: Load[V], expired: V | None) -> V:
        value, seconds = await load(expired)
        self._values.pop(key, None)
        self._values[key] = (value, self._clock.seconds() + seconds)
        if len(self._values) > self._capacity:
            del self._values[next(iter(self._values))]
        return value

    def _tell(self, result: V | Failure, key: K) -> None:
        for waiter in self._waiting.pop(key):
            if not waiter.called:  # it was cancelled
                waiter.callback(result)
