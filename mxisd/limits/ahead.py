"""Asking the storage less often: of what is used many times a second, a little more is taken than is needed at once."""

from __future__ import annotations

from ..cache import OldestOut
from ..storage.buckets import BucketStorage, Charge

# Of the capacity of a bucket: nobody notices if a client can have that much more at once.
SHARE = 100
# Milliseconds after which what is left of it is not given out any more.
KEPT = 10_000
# As many buckets.
REMEMBERED = 10_000


class Rest:
    """What was taken from a bucket and not given out yet, in ms as in a :class:`Charge`."""

    __slots__ = ("left", "until")

    def __init__(self, left: int, until: int) -> None:
        self.left = left
        self.until = until


class Ahead:
    """
    Takes from buckets in portions of a hundredth of what they hold, and gives that out by itself.

    All that is given out was taken before: processes together never give out more than flows into the bucket.  Those
    who ask for much, and buckets so small that there is no such portion, have the storage asked each time.
    """

    def __init__(self, buckets: BucketStorage) -> None:
        self._buckets = buckets
        self._rests: OldestOut[str, Rest] = OldestOut(REMEMBERED)
        self._asking: set[str] = set()

    def has_left(self, bucket: str, cost: int, now: int) -> bool:
        """Whether that was given out of what was taken before: what most requests come to, at little cost."""
        rest = self._rests.get(bucket)
        if rest is None or rest.left < cost or now >= rest.until:
            return False
        rest.left -= cost
        return True

    async def take(self, charge: Charge, now: int) -> int:
        """How long to wait, in ms; 0 if it was taken."""
        bucket, cost, capacity = charge
        if self.has_left(bucket, cost, now):
            return 0
        missing = cost - self._use_up(bucket, now)
        # One at a time: others that ask meanwhile get what they ask for.
        portion = missing if bucket in self._asking else max(missing, capacity // SHARE)
        self._asking.add(bucket)
        try:
            (wait,) = await self._buckets.take([charge._replace(cost=portion)], now)
            if wait and wait <= portion - missing:
                # There is less than a portion, but enough.
                portion = missing
                (wait,) = await self._buckets.take([charge._replace(cost=portion)], now)
        finally:
            self._asking.discard(bucket)
        self._keep(bucket, cost - missing if wait else portion - missing, now)
        return max(0, wait - (portion - missing))

    def _use_up(self, bucket: str, now: int) -> int:
        """What is left over of a bucket, which nobody else gets any more."""
        rest = self._rests.pop(bucket, None)
        return rest.left if rest is not None and now < rest.until else 0

    def _keep(self, bucket: str, left: int, now: int) -> None:
        if left:
            self._rests[bucket] = Rest(left + self._use_up(bucket, now), now + KEPT)
