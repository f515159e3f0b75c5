"""
Bringing the records of an older server into a storage.

Everything is looked at before anything is written.  What is in the storage stays as it is, so that a move which was
interrupted goes on when it is started again, and one that is repeated adds what is new.  What came before and was
removed here since does not come back: each record of a kind that can be removed leaves a cooldown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable, Iterator, Sequence
from itertools import islice
from typing import TypeAlias

from msgspec import Struct, field, structs

from ..clock import DAY
from ..lookup.index import PEPPERS_IN_USE, new_pepper
from ..matrix.hashing import digest
from ..matrix.threepid import ThreePid
from ..storage.archive import END, KINDS, START, AcceptedTerms, AccessToken, Archive, Cooldown, Kept
from ..storage.contract import Storage
from ..storage.records import Binding, Delivery, Invite, Pepper, Session, sha256_of
from .old import UNDELIVERED, Conditions, Left, OldServer, would_expire

# Called as the move goes on: the kind, how many records of it have come, and how many will.
Report: TypeAlias = Callable[[type[Kept], int, int], None]

STEP = 500
# What can be taken out of the storage again, by the people whom it is about or by time.
REMOVABLE = (Binding, Invite, AccessToken, AcceptedTerms)
REMEMBERED = 2 * 365 * DAY
_MARK = "moved in "

PEPPER_LENGTH = 20


class Count(Struct):
    """What becomes of the records of a kind."""

    coming: int = 0
    there: int = 0
    left: Counter[str] = field(default_factory=Counter)
    """By the reason why they stay behind."""


class Plan(Struct):
    """What a move does, by kind of record, and what is worth knowing of the pending invites that come."""

    counts: dict[type[Kept], Count]
    pending: int = 0
    expiring: int = 0
    """How many would expire at the first look at them."""
    renewed: int = 0
    """How many have a new term."""
    without_key: int = 0
    """How many have a private key that only the invitee knows."""
    unknown_keys: Counter[str] = field(default_factory=Counter)
    """How many were published with a key that is not among those that come, by its ID."""
    superseded: int = 0
    """How many come as cancelled, since a later one of the same sender into the same room is pending."""


class _Reading(Struct):
    """What has been met while the records of a kind are read."""

    pending: set[Hashable]
    ephemeral_keys: set[str]
    last_id: int
    seen: set[Hashable] = field(default_factory=set)


class Move:
    """One move, from the looking at it to its end."""

    def __init__(self, server: OldServer, storage: Storage, conditions: Conditions) -> None:
        self._server = server
        self._storage = storage
        self._conditions = conditions
        self._there: dict[type[Kept], set[Hashable]] = {}
        self._marks: set[str] = set()
        self._pending: set[Hashable] = set()
        self._ephemeral_keys: set[str] = set()
        self._invites: set[str] = set()
        self._deliveries: dict[str | None, Delivery] = {}
        self._last_id = 0

    async def plan(self) -> Plan:
        """
        See what would come.

        Raises :class:`~mxisd.storage.contract.StorageUnavailable`, :class:`~mxisd.migrate.tables.NotReadable`.
        """
        for kind in KINDS:
            self._there[kind] = set()
            async for record in _all(self._storage.archive, kind):
                self._note(record)
        plan = Plan(counts={})
        for kind in KINDS:
            count = plan.counts[kind] = Count()
            for found in self._coming(kind, count):
                if isinstance(found, Invite):
                    self._consider(found, plan)
        return plan

    async def carry_out(self, plan: Plan, report: Report) -> None:
        """Write what was planned.  Raises as :meth:`plan` does."""
        archive = self._storage.archive
        for kind in KINDS:
            done, total = 0, plan.counts[kind].coming
            for records in _batches(self._coming(kind, Count())):
                await archive.unpack(kind, records, START)
                await archive.unpack(Cooldown, self._marks_of(records), START)
                done += len(records)
                report(kind, done, total)
            if kind is Binding:
                await self._index()
        await archive.forget_positions()

    def _note(self, record: Kept) -> None:
        """Remember what is in the storage already."""
        self._there[type(record)].add(identity(record))
        if isinstance(record, Invite):
            self._invites.add(record.token)
            self._ephemeral_keys.add(record.ephemeral_public_key)
            if record.ended is None:
                self._pending.add(_place(record))
        elif isinstance(record, Delivery):
            self._last_id = max(self._last_id, int(record.id))
            if record.kind == "onbind":
                self._deliveries[record.token] = record
        elif isinstance(record, Cooldown) and record.name.startswith(_MARK):
            self._marks.add(record.name)

    def _coming(self, kind: type[Kept], count: Count) -> Iterator[Kept]:
        """The records of a kind that are to be written; all others are counted."""
        reading = _Reading(set(self._pending), set(self._ephemeral_keys), self._last_id)
        for found in self._server.records(kind, self._conditions):
            fate = found if isinstance(found, Left) else self._fate(found, reading)
            if isinstance(fate, Left):
                count.left[fate.why] += 1
            elif fate is None:
                count.there += 1
            else:
                count.coming += 1
                yield fate

    def _fate(self, record: Kept, reading: _Reading) -> Kept | Left | None:
        """The record as it is to be written, or why it is not; ``None`` if it is there."""
        name = identity(record)
        if name in reading.seen:
            return Left("it is there twice")
        reading.seen.add(name)
        if name in self._there[type(record)]:
            return self._retried(record)
        if type(record) in REMOVABLE and _mark(record) in self._marks:
            return Left("it came before, and was removed here since")
        if isinstance(record, Invite):
            return self._invite(record, reading)
        if isinstance(record, Delivery):
            return self._delivery(record, reading)
        return record

    def _invite(self, invite: Invite, reading: _Reading) -> Invite | Left:
        """Only one invite of a sender into a room can be pending; of the others, tokens and keys stay good."""
        if invite.ephemeral_public_key in reading.ephemeral_keys:
            return Left("another invite has its ephemeral key")
        reading.ephemeral_keys.add(invite.ephemeral_public_key)
        self._invites.add(invite.token)
        if invite.ended is not None:
            return invite
        if _place(invite) in reading.pending:
            return structs.replace(invite, ended="cancelled", ended_at=self._conditions.now, ephemeral_private_key="")
        reading.pending.add(_place(invite))
        return invite

    def _delivery(self, delivery: Delivery, reading: _Reading) -> Delivery | Left:
        if delivery.token not in self._invites:
            return Left("its invite stays behind")
        reading.last_id += 1
        return structs.replace(delivery, id=str(reading.last_id))

    def _retried(self, record: Kept) -> Kept | None:
        """What came before as a delivery that had failed, and is to be tried now."""
        known = self._deliveries.get(record.token) if isinstance(record, Delivery) else None
        if not isinstance(record, Delivery) or known is None or not self._conditions.retry_failed:
            return None
        failed = (known.state, known.answer) == ("abandoned", UNDELIVERED)
        return structs.replace(record, id=known.id) if failed else None

    def _consider(self, invite: Invite, plan: Plan) -> None:
        if invite.ended == "cancelled":
            plan.superseded += 1
        if invite.ended is not None:
            return
        plan.pending += 1
        plan.expiring += would_expire(invite.created, self._conditions)
        plan.renewed += invite.created != invite.notified_at
        plan.without_key += not invite.ephemeral_private_key
        if invite.published_key is not None and self._conditions.signer.public_key(invite.published_key) is None:
            plan.unknown_keys[invite.published_key] += 1

    def _marks_of(self, records: Sequence[Kept]) -> list[Cooldown]:
        until = self._conditions.now + REMEMBERED
        return [Cooldown(name=_mark(record), until=until) for record in records if type(record) in REMOVABLE]

    async def _index(self) -> None:
        """Let hashed lookups find all bindings, by the pepper that clients know as long as that is possible."""
        hashes = self._storage.hashes
        peppers = await hashes.peppers()
        if not peppers:
            known = self._server.pepper()
            if known and await hashes.prepare(Pepper(pepper=known, made_at=self._conditions.now), after=None):
                await hashes.publish(known, keep=1)
            return
        current = peppers[0].pepper
        if not await self._all_indexed(current):
            new = new_pepper(self._conditions.random, PEPPER_LENGTH, self._conditions.now)
            if await hashes.prepare(new, after=current):
                await hashes.publish(new.pepper, keep=PEPPERS_IN_USE)

    async def _all_indexed(self, pepper: str) -> bool:
        for records in _batches(self._server.records(Binding, self._conditions)):
            digests = [digest(record.threepid, pepper) for record in records if isinstance(record, Binding)]
            bound = await self._storage.bindings.users_of(
                [record.threepid for record in records if isinstance(record, Binding)]
            )
            found = await self._storage.hashes.find(pepper, digests) or {}
            if any(digest(threepid, pepper) not in found for threepid in bound):
                return False
        return True


def identity(record: Kept) -> Hashable:
    """What two records have in common that are one and the same."""
    match record:
        case Binding():
            return record.threepid
        case Session():
            return record.sid
        case Invite():
            return record.token
        case Delivery():
            return record.kind, record.token or record.id
        case AccessToken():
            return record.digest
        case AcceptedTerms():
            return record.user_id, record.url
        case Cooldown():
            return record.name
    return record.txn_id, record.digest


def _place(invite: Invite) -> tuple[ThreePid, str, str]:
    return invite.threepid, invite.room_id, invite.sender


def _mark(record: Kept) -> str:
    return f"{_MARK}{sha256_of(f'{type(record).__name__} {identity(record)}')[:32]}"


async def _all(archive: Archive, kind: type[Kept]) -> AsyncIterator[Kept]:
    position = START
    while position != END:
        records, position = await archive.pack(kind, position)
        for record in records:
            yield record


def _batches(records: Iterator[Kept | Left]) -> Iterator[list[Kept]]:
    kept = (record for record in records if not isinstance(record, Left))
    while batch := list(islice(kept, STEP)):
        yield batch
