"""v2 access tokens and accepted terms."""

from __future__ import annotations

from collections.abc import Iterable

from ..records import Account
from .client import Redis


class RedisAccounts:
    """:class:`mxisd.storage.contract.AccountStorage` on Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._tokens = redis.key("tokens")

    async def register(self, token_hash: str, user_id: str, now: int) -> None:
        await self._redis.command("HSET", self._tokens, token_hash, f"{now} {user_id}")

    async def account_of(self, token_hash: str) -> Account | None:
        answer = await self._redis.run("account_of", token_hash)
        if answer is None:
            return None
        kept, urls = answer
        return Account(user_id=kept.decode().partition(" ")[2], accepted_terms=frozenset(map(bytes.decode, urls)))

    async def logout(self, token_hash: str) -> bool:
        return bool(await self._redis.command("HDEL", self._tokens, token_hash))

    async def accept_terms(self, user_id: str, urls: Iterable[str], now: int) -> None:
        await self._redis.run("terms_accept", user_id, now, *urls)
