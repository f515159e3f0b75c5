"""What is remembered for a while: so many entries, for so long, and fetched once for all who ask at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

from twisted.internet.interfaces import IReactorTime

from .waiting import SharedResult, Work

K = TypeVar("K")
V = TypeVar("V")

Load: TypeAlias = Callable[[V | None], Work[tuple[V, float]]]
"""Fetches a value, given the expired one if it is still there; returns it with the seconds that it is good for."""


class OldestOut(dict[K, V]):
    """A dict of at most ``capacity`` entries, to be set one by one: the one that was set longest ago goes first."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self._capacity = capacity

    def __setitem__(self, key: K, value: V) -> None:
        self.pop(key, None)
        super().__setitem__(key, value)
        if len(self) > self._capacity:
            del self[next(iter(self))]


class Cache(Generic[K, V]):
    """At most ``capacity`` values; the one loaded longest ago goes first."""

    def __init__(self, clock: IReactorTime, capacity: int) -> None:
        self._clock = clock
        self._values: OldestOut[K, tuple[V, float]] = OldestOut(capacity)
        self._under_way: dict[K, SharedResult[V]] = {}

    async def get(self, key: K, load: Load[V]) -> V:
        """
        The value kept, or else the loaded one.

        What ``load`` raises is raised to all who wait for it, and not kept.  One who stops waiting does not stop the
        others.
        """
        value, expiry = self._values.get(key, (None, 0.0))
        if value is not None and self._clock.seconds() < expiry:
            return value
        loaded = self._under_way.get(key)
        if loaded is None:
            loaded = self._under_way[key] = SharedResult()
            loaded.begin(self._load(key, load, value))
        return await loaded.wait()

    def forget(self, key: K) -> None:
        """Load a value anew when it is next asked for."""
        self._values.pop(key, None)

    async def _load(self, key: K, load: Load[V], expired: V | None) -> V:
        try:
            value, seconds = await load(expired)
        finally:
            del self._under_way[key]
        self._values[key] = (value, self._clock.seconds() + seconds)
        return value
