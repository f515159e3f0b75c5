"""Cooldowns: things that all processes together do at most once in a period."""

from __future__ import annotations

from .client import Redis


class RedisCooldowns:
    """:class:`mxisd.storage.once.CooldownStorage` on Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def take(self, name: str, now: int, period: int) -> bool:
        return bool(await self._redis.run("cooldown_take", name, now, period))

    async def end(self, name: str, now: int) -> bool:
        return bool(await self._redis.run("cooldown_end", name, now))

    async def is_running(self, name: str, now: int) -> bool:
        ends = await self._redis.command("ZSCORE", self._redis.key("cooldowns"), name)
        return ends is not None and float(ends) > now

    async def purge(self, now: int) -> int:
        return await self._redis.purge("cooldowns", str(now))
