"""v2 access tokens and accepted terms."""

from __future__ import annotations

from collections.abc import Iterable

from ..records import Account
from .client import Redis

# Tokens that are looked at, at once.
STEP = 500


class RedisAccounts:
    """:class:`mxisd.storage.contract.AccountStorage` on Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._tokens = redis.key("tokens")

    async def register(self, token_hash: str, user_id: str, now: int, most: int) -> None:
        await self._redis.run("token_register", token_hash, user_id, now, most)

    async def renew(self, token_hash: str, now: int, if_before: int) -> None:
        await self._redis.run("token_renew", token_hash, now, if_before)

    async def account_of(self, token_hash: str) -> Account | None:
        answer = await self._redis.run("account_of", token_hash)
        if answer is None:
            return None
        kept, urls = answer
        return Account(user_id=kept.decode().partition(" ")[2], accepted_terms=frozenset(map(bytes.decode, urls)))

    async def logout(self, token_hash: str) -> bool:
        return bool(await self._redis.run("token_logout", token_hash))

    async def purge(self, before: int) -> int:
        cursor, deleted = b"0", 0
        while True:
            cursor, flat = await self._redis.command("HSCAN", self._tokens, cursor, "COUNT", STEP)
            old = [digest for digest, kept in zip(flat[::2], flat[1::2], strict=True) if int(kept.split()[0]) < before]
            deleted += int(await self._redis.run("token_forget", before, *old)) if old else 0
            if cursor == b"0":
                return deleted

    async def accept_terms(self, user_id: str, urls: Iterable[str], now: int) -> None:
        await self._redis.run("terms_accept", user_id, now, *urls)
