"""The homeserver's transactions to our application service."""

from __future__ import annotations

from .client import Redis


class RedisTransactions:
    """:class:`mxisd.storage.once.TransactionStorage` on Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._key = redis.key("transactions")

    async def is_done(self, txn_id: str, digest: str) -> bool:
        return await self._redis.command("ZSCORE", self._key, f"{digest} {txn_id}") is not None

    async def done(self, txn_id: str, digest: str, now: int) -> None:
        await self._redis.command("ZADD", self._key, "NX", now, f"{digest} {txn_id}")

    async def purge(self, done_before: int) -> int:
        return await self._redis.purge("transactions", f"({done_before}")
