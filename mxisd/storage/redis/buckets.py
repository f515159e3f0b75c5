"""Token buckets: a key for each that is not full, which expires when it is."""

from __future__ import annotations

from collections.abc import Sequence

from ..buckets import SKEW, Charge
from .client import Redis
from .connection import Argument


class RedisBuckets:
    """:class:`mxisd.storage.buckets.BucketStorage` on Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def take(self, charges: Sequence[Charge], now: int) -> list[int]:
        flat: list[Argument] = [part for charge in charges for part in charge]
        return list(await self._redis.run("bucket_take", now, SKEW, *flat))
