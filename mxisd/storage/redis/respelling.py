"""The step to schema 3: the domains of stored addresses become A-labels."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from ...log import Logger
from ...matrix.hashing import digest, digests
from ...matrix.threepid import ThreePid, fold, spellings
from ...waiting import gather
from ..archive import END, START, Archive
from ..records import Binding, Delivery, Invite, Session
from .bindings import field_of
from .client import Redis
from .peppers import Peppers

log = Logger()

_Record = Binding | Session | Invite | Delivery


async def respell(redis: Redis, archive: Archive, peppers: Peppers) -> None:
    """
    Bring all addresses to their canonical form, and index them in all their spellings, if that has not been done.

    Where two spellings of one address are bound the newer binding stays; of two pending invites by one sender into one
    room the newer one, and the other is cancelled.  It goes record by record, beside all else: what is interrupted is
    done again, and several processes may do it at the same time.
    """
    if not await redis.command("EXISTS", redis.key("respelling")):
        return
    kinds: tuple[type[_Record], ...] = (Binding, Session, Invite, Delivery)
    lost = dict.fromkeys(kinds, 0)
    for kind in kinds:
        position = START
        while position != END:
            records, position = await archive.pack(kind, position)
            lost[kind] += sum(await gather(_step(redis, peppers, record) for record in records if _is_respelt(record)))
    await redis.command("DEL", redis.key("respelling"))
    if any(lost.values()):
        log.warn(
            "domains have one spelling now, and some addresses were known in two: {bindings} older bindings were"
            " deleted, {invites} older invites cancelled",
            bindings=lost[Binding],
            invites=lost[Invite],
        )


def _is_respelt(record: object) -> bool:
    if not isinstance(record, _Record):
        return False
    canonical = fold(*record.threepid)
    return canonical != record.threepid or (isinstance(record, Binding) and len(spellings(canonical)) > 1)


def _step(redis: Redis, peppers: Peppers, record: object) -> Coroutine[Any, Any, int]:
    """Bring one record to the new form; returns how many others, or itself, had to give way."""
    match record:
        case Binding():
            return _respell_binding(redis, peppers, record.threepid)
        case Session():
            return _respell_address(redis, "session", record.sid, record.threepid)
        case Invite():
            return _respell_address(redis, "invite", record.token, record.threepid)
        case Delivery():
            return _respell_address(redis, "delivery", f"{int(record.id):016}", record.threepid)
    raise TypeError(f"{type(record).__name__} has no address")


async def _respell_binding(redis: Redis, peppers: Peppers, old: ThreePid) -> int:
    new = fold(*old)
    while True:
        hashed = peppers.each(lambda pepper: " ".join([digest(old, pepper), *digests(new, pepper)]))
        answer = await redis.run("binding_respell", field_of(old), field_of(new), *hashed)
        if isinstance(answer, int):
            return answer
        peppers.learn(answer)


async def _respell_address(redis: Redis, kind: str, id_: str, old: ThreePid) -> int:
    return int(await redis.run("address_respell", kind, id_, old.address, fold(*old).address))
