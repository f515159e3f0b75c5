"""Invites."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from ...matrix.threepid import ThreePid
from ..records import End, Invite, InviteCounts, Taker
from .client import Redis
from .connection import Argument
from .records import fields, read

# How many ended invites one run of the script checks when old ones are deleted.
STEP = 100


class RedisInvites:
    """:class:`mxisd.storage.contract.InviteStorage` on Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def add(
        self, invite: Invite, *, resend_before: int, reminder_due: int | None = None, taker: Taker | None = None
    ) -> Invite:
        known = await self._redis.run(
            "invite_add",
            invite.token,
            *invite.threepid,
            invite.room_id,
            invite.sender,
            invite.created,
            resend_before,
            "" if reminder_due is None else reminder_due,
            *(("", "", "") if taker is None else (taker.user_id, taker.destination, taker.due)),
            *fields(invite),
        )
        return read(Invite, known) if known else invite

    async def get(self, token: str) -> Invite | None:
        answer = await self._redis.command("HGETALL", self._redis.key("invite", token))
        return read(Invite, answer) if answer else None

    async def pending(self, threepid: ThreePid) -> list[Invite]:
        return read_invites(await self._redis.run("invite_pending", *threepid))

    async def has_ephemeral_key(self, public_key: str) -> bool:
        return bool(await self._redis.command("HEXISTS", self._redis.key("ephemeral"), public_key))

    async def claim_due(self, now: int, next_due: int, limit: int) -> list[Invite]:
        return [read(Invite, answer) for answer in await self._redis.run("invite_claim_due", now, next_due, limit)]

    async def missed_remotely(self, invites: Mapping[str, int]) -> None:
        misses: Iterable[Argument] = chain.from_iterable(invites.items())
        await self._redis.run("invite_missed", *misses)

    async def page(self, *, ended: bool, offset: int, limit: int) -> list[Invite]:
        which = "ended" if ended else "pending"
        answers = await self._redis.run("invite_page", which, offset, offset + limit - 1)
        return [read(Invite, answer) for answer in answers]

    async def count(self) -> InviteCounts:
        pending, ended = [
            int(await self._redis.command("ZCARD", self._redis.key(which))) for which in ("pending", "ended")
        ]
        return InviteCounts(pending, ended)

    async def purge(self, ended_before: int) -> int:
        kept, deleted = 0, 0
        while True:
            seen: int
            removed: int
            seen, removed = await self._redis.run("invite_purge", ended_before, kept, STEP)
            kept += seen - removed
            deleted += removed
            if seen < STEP:
                return deleted

    async def end(self, token: str, end: End, user_id: str | None, destination: str | None, now: int) -> Invite | None:
        answer = await self._redis.run("invite_end", token, end, user_id or "", destination or "", now)
        return read(Invite, answer) if answer else None

    async def resolve(self, users: Sequence[tuple[ThreePid, str, str]], now: int) -> list[Invite]:
        texts = chain.from_iterable((*threepid, user_id, destination) for threepid, user_id, destination in users)
        return read_invites(await self._redis.run("invite_resolve", now, *texts))

    async def sign(self, token: str, user_id: str, now: int, limit: int) -> Invite | None:
        answer = await self._redis.run("invite_sign", token, user_id, now, limit)
        return read(Invite, answer) if answer else None


def read_invites(answers: Sequence[Sequence[bytes]]) -> list[Invite]:
    """Make invites of the answers to HGETALL; the oldest comes first."""
    return sorted((read(Invite, answer) for answer in answers), key=lambda invite: (invite.created, invite.token))
