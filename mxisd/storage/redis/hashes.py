"""The index of hashed addresses."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from itertools import chain

from ...matrix.hashing import digests
from ..hashed import Portion
from ..records import Pepper
from .bindings import threepid_of
from .client import Redis
from .peppers import read_pepper

# Work on the whole index is done in steps of so many bindings or hashes; each takes Redis less than a millisecond.
STEP = 500
# Milliseconds after the last step until an unfinished pepper or listing counts as abandoned, because its process has
# died.  Long, since listing all users of an identity store can be slow.
ABANDONED_TIMEOUT = 600_000


class RedisHashes:
    """:class:`mxisd.storage.hashed.HashStorage` on Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def peppers(self) -> list[Pepper]:
        entries = await self._redis.command("LRANGE", self._redis.key("peppers"), 0, -1)
        return [read_pepper(entry) for entry in entries]

    async def prepare(self, pepper: Pepper, *, after: str | None) -> bool:
        if not await self._redis.run("hash_prepare", pepper.made_at, pepper.pepper, after or "", ABANDONED_TIMEOUT):
            return False
        cursor = b"0"
        while True:
            cursor, names = await self._redis.run("binding_names", cursor, STEP)
            hashed = chain.from_iterable(
                (name, digest) for name in names for digest in digests(threepid_of(name), pepper.pepper)
            )
            if not await self._redis.run("hash_index", pepper.pepper, ABANDONED_TIMEOUT, *hashed):
                return False
            if cursor == b"0":
                return True

    async def publish(self, pepper: str, *, keep: int) -> bool:
        return bool(await self._redis.run("hash_publish", pepper, keep))

    async def find(self, pepper: str, digests: Sequence[str]) -> dict[str, str] | None:
        users = await self._redis.run("hash_find", pepper, *digests)
        if users is None:
            return None
        return {digest: user.decode() for digest, user in zip(digests, users, strict=True) if user}

    async def arrange(self, sources: Sequence[str]) -> None:
        await self._redis.run("hash_arrange", *sources)

    async def replace(self, source: str, peppers: Sequence[str], portions: AsyncIterable[Portion]) -> None:
        number = await self._redis.command("INCR", self._redis.key("staged"))
        staged = {pepper: f"{number}:{index}" for index, pepper in enumerate(peppers)}
        async for portion in portions:
            for first in range(0, len(portion), STEP):
                some = portion[first : first + STEP]
                for index, (pepper, name) in enumerate(staged.items()):
                    entries = chain.from_iterable((under_peppers[index], user_id) for under_peppers, user_id in some)
                    await self._redis.run("hash_stage", name, pepper, ABANDONED_TIMEOUT, *entries)
        for pepper, name in staged.items():
            await self._redis.run("hash_replace", name, pepper, source)

    async def add(self, source: str, peppers: Sequence[str], portion: Portion) -> None:
        for index, pepper in enumerate(peppers):
            entries = chain.from_iterable((under_peppers[index], user_id) for under_peppers, user_id in portion)
            await self._redis.run("hash_add", source, pepper, *entries)
