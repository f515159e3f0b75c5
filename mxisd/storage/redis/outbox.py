"""The outbox: deliveries to homeservers, and messages about invites."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import get_args

from ..records import Claimed, Delivery, Failure, Invite, Kind, State, Waiting
from .client import Redis
from .connection import Argument
from .records import read


class RedisOutbox:
    """:class:`mxisd.storage.contract.OutboxStorage` on Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def claim(
        self, kind: Kind, now: int, lease: int, limit: int, busy: Mapping[str, int], per_destination: int
    ) -> Claimed:
        under_way: Iterable[Argument] = chain.from_iterable(busy.items())
        taken, about, due = await self._redis.run("outbox_claim", kind, now, lease, limit, per_destination, *under_way)
        invites = [read(Invite, answer) for answer in about]
        return Claimed(
            deliveries=[read(Delivery, answer) for answer in taken],
            invites={invite.token: invite for invite in invites},
            next_due=int(due) if due else None,
        )

    async def renew(self, deliveries: Sequence[Delivery], until: int) -> None:
        claims: Iterable[Argument] = chain.from_iterable((each.id, each.attempts) for each in deliveries)
        await self._redis.run("outbox_renew", until, *claims)

    async def retry(self, delivery: Delivery, due: int, answer: str, count: Failure | None = None) -> bool:
        return await self._settle(delivery, "queued", due, answer, count)

    async def close(self, delivery: Delivery, state: State, answer: str, now: int) -> bool:
        return await self._settle(delivery, state, now, answer)

    async def _settle(
        self, delivery: Delivery, state: State, due: int, answer: str, count: Failure | None = None
    ) -> bool:
        claim = (delivery.id, delivery.attempts)
        return bool(await self._redis.run("outbox_settle", *claim, state, due, answer, count or ""))

    async def of_invite(self, token: str) -> list[Delivery]:
        return [read(Delivery, answer) for answer in await self._redis.run("outbox_of_invite", token)]

    async def waiting(self) -> list[Waiting]:
        answers = await self._redis.run("outbox_waiting", *get_args(Kind))
        return [Waiting(kind.decode(), number, int(due)) for kind, number, due in answers]
