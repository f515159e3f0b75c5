"""The shared signing keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from .client import Redis


class RedisKeys:
    """:class:`mxisd.storage.contract.KeyStorage` on Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._key = redis.key("signing-keys")

    async def signing_keys(self, make: Callable[[], bytes]) -> bytes:
        kept = await self._redis.command("GET", self._key)
        if kept is None:
            # Of many processes that find none, the first one stores its keys.
            await self._redis.command("SET", self._key, make(), "NX")
            kept = await self._redis.command("GET", self._key)
        return cast("bytes", kept)
