"""Token buckets.  They are in memory: a lookup would otherwise have to wait for a disk, and fail when that is full."""

from __future__ import annotations

from collections.abc import Sequence

from ..buckets import Charge, level, wait

# How many may be there before those that have filled up are looked for.
FEW = 1000


class SQLiteBuckets:
    """:class:`mxisd.storage.buckets.BucketStorage` for the single process that has the database open."""

    def __init__(self) -> None:
        self._full_at: dict[str, int] = {}
        self._sweep_above = FEW

    async def take(self, charges: Sequence[Charge], now: int) -> list[int]:
        levels = [level(charge, self._full_at.get(charge.bucket, now), now) for charge in charges]
        waits = [wait(charge, full_at, now) for charge, full_at in zip(charges, levels, strict=True)]
        fits = not any(waits)
        for charge, full_at in zip(charges, levels, strict=True):
            self._full_at[charge.bucket] = full_at + charge.cost if fits else full_at
        if len(self._full_at) > self._sweep_above:
            self._sweep(now)
        return waits

    def _sweep(self, now: int) -> None:
        self._full_at = {bucket: full_at for bucket, full_at in self._full_at.items() if full_at > now}
        # Only when as many more have come, so that each of them is looked at about twice.
        self._sweep_above = max(FEW, 2 * len(self._full_at))
