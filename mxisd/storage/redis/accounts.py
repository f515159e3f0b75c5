"""v2 access tokens and accepted terms."""

from __future__ import annotations

from collections.abc import Iterable

from .client import Redis


class RedisAccounts:
    """:class:`mxisd.storage.contract.AccountStorage` on Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._tokens = redis.key("tokens")

    async def register(self, token_hash: str, user_id: str, now: int) -> None:
        await self._redis.command("HSET", self._tokens, token_hash, f"{now} {user_id}")

    async def user_of(self, token_hash: str) -> str | None:
        value = await self._redis.command("HGET", self._tokens, token_hash)
        return value.decode().partition(" ")[2] if value else None

    async def logout(self, token_hash: str) -> bool:
        return bool(await self._redis.command("HDEL", self._tokens, token_hash))

    async def accept_terms(self, user_id: str, urls: Iterable[str], now: int) -> None:
        await self._redis.run("terms_accept", user_id, now, *urls)

    async def accepted_terms(self, user_id: str) -> frozenset[str]:
        urls = await self._redis.command("HKEYS", self._redis.key("terms", user_id))
        return frozenset(url.decode() for url in urls)
