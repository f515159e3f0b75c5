"""Bindings."""

from __future__ import annotations

from collections.abc import Sequence

from ...matrix.threepid import ThreePid
from ...waiting import gather
from ..records import Binding, Invite
from .client import Redis
from .invites import read_invites
from .peppers import Peppers

# How many addresses one HMGET asks for at most.
MAX_PER_COMMAND = 2000


class RedisBindings:
    """:class:`mxisd.storage.contract.BindingStorage` on Redis."""

    def __init__(self, redis: Redis, peppers: Peppers) -> None:
        self._redis = redis
        self._key = redis.key("bindings")
        self._peppers = peppers

    async def get(self, threepid: ThreePid) -> Binding | None:
        value = await self._redis.command("HGET", self._key, field_of(threepid))
        return None if value is None else read_binding(threepid, value)

    async def users_of(self, threepids: Sequence[ThreePid]) -> dict[ThreePid, str]:
        portions = [threepids[first : first + MAX_PER_COMMAND] for first in range(0, len(threepids), MAX_PER_COMMAND)]
        answers = await gather(self._redis.command("HMGET", self._key, *map(field_of, each)) for each in portions)
        found = zip(threepids, (value for answer in answers for value in answer), strict=True)
        return {threepid: value[: value.index(b" ")].decode() for threepid, value in found if value is not None}

    async def bind(self, binding: Binding, destination: str) -> list[Invite]:
        what = (*binding.threepid, binding.user_id, binding.bound_at, binding.signed, destination)
        while True:
            answer = await self._redis.run("binding_bind", *what, *self._peppers.digests(binding.threepid))
            if answer and isinstance(answer[0], list):
                return read_invites(answer[0])
            self._peppers.learn(answer)

    async def unbind(self, threepid: ThreePid, user_id: str) -> bool:
        while True:
            answer = await self._redis.run("binding_unbind", *threepid, user_id, *self._peppers.digests(threepid))
            if isinstance(answer, int):
                return bool(answer)
            self._peppers.learn(answer)


def field_of(threepid: ThreePid) -> str:
    """The field of an address's binding in the hash of all bindings."""
    return f"{threepid.medium} {threepid.address}"


def threepid_of(field: bytes) -> ThreePid:
    """The reverse of :func:`field_of`."""
    medium, _, address = field.decode().partition(" ")
    return ThreePid(medium, address)


def value_of(binding: Binding) -> bytes:
    """What is kept of a binding."""
    return f"{binding.user_id} {binding.bound_at} ".encode() + binding.signed


def read_binding(threepid: ThreePid, value: bytes) -> Binding:
    """Make a binding of what is kept of it."""
    user_id, bound_at, signed = value.split(b" ", 2)
    return Binding(threepid=threepid, user_id=user_id.decode(), bound_at=int(bound_at), signed=signed)
