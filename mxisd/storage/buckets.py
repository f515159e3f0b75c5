"""The part of the storage contract by which all processes together keep to a rate: token buckets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

# By how many ms clocks of several machines may differ.
SKEW = 60_000


class Charge(NamedTuple):
    """
    What is to be taken out of a bucket, measured in the ms in which it flows back.

    Three mails, where one is given back in a second and ten may be sent at once: a cost of 3,000 and a capacity of
    10,000.  ``cost`` is at least 1, and no higher than ``capacity``.
    """

    bucket: str
    cost: int
    capacity: int


class BucketStorage(Protocol):
    """
    Token buckets, known by their names; one that was never used, or not for so long that it has filled up, is full.

    That makes a single number of a bucket, the time at which it is full again, and nothing at all of a full one.  An
    engine for a single process may forget buckets when that ends, unlike everything else: they are full then.
    """

    async def take(self, charges: Sequence[Charge], now: int) -> list[int]:
        """
        Take from all these different buckets, or from none of them.

        Returns for each charge how long to wait until it fits, in ms; if all are 0, it was taken.  A bucket that was
        charged by a clock that was ahead by more than :data:`SKEW` is empty, and fills up from now on.
        """
        ...


def level(charge: Charge, full_at: int, now: int) -> int:
    """When a bucket is full, given when it was said to be.  Every engine sees it so, in whatever language."""
    if full_at > now + charge.capacity + SKEW:
        return now + charge.capacity
    return max(full_at, now)


def wait(charge: Charge, full_at: int, now: int) -> int:
    """How long until a charge fits into a bucket that is full at ``full_at``."""
    return max(0, full_at + charge.cost - charge.capacity - now)
