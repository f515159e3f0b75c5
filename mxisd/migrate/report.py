"""What a move does, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from ..storage.archive import Kept
from ..storage.records import Delivery
from .move import Plan

HEADERS = ("kind", "comes", "is there", "stays behind")
LEFT_HEADERS = ("stays behind", "records", "why")


def rows(plan: Plan) -> list[tuple[str, int, int, int]]:
    """A line for each kind of record that was found."""
    return [
        (kind.__name__, count.coming, count.there, count.left.total())
        for kind, count in plan.counts.items()
        if count.coming or count.there or count.left
    ]


def left_behind(plan: Plan) -> list[tuple[str, int, str]]:
    """What stays behind: the kind, how many, and why."""
    return [
        (kind.__name__, number, why)
        for kind, count in plan.counts.items()
        for why, number in sorted(count.left.items())
    ]


def remarks(plan: Plan, after: timedelta, retry_failed: bool) -> Iterator[str]:
    """What else an administrator should know before; ``after`` is ``invite.expiration.after``."""
    if plan.renewed:
        yield f"{invites(plan.renewed)} would have expired, and {have(plan.renewed)} a new term"
    if plan.expiring:
        minutes = after // timedelta(minutes=1)
        yield (
            f"{invites(plan.expiring)} will expire at the first tick, by invite.expiration.after ({minutes} minutes): "
            "--keep-for gives a new term, as --keep-for 7d"
        )
    failed = _coming(plan, Delivery)
    if failed and retry_failed:
        yield f"{_ended(failed)} that never reached {_its(failed)} homeserver will be delivered"
    elif failed:
        yield f"{_ended(failed)} never reached {_its(failed)} homeserver: --retry-failed has them delivered"
    if plan.superseded:
        yield (
            f"{invites(plan.superseded)} of the same sender into the same room as a later one {come(plan.superseded)} "
            "as cancelled; what was mailed with it can still be accepted"
        )
    if plan.without_key:
        yield (
            f"of {invites(plan.without_key)} nobody but the invitee has the private key: "
            "nobody is reminded of it, and if the address is invited again, that is a new invite"
        )
    for key, number in plan.unknown_keys.items():
        yield f"{invites(number)} cannot be accepted: they were published with the key {key}, which does not come"


def invites(number: int) -> str:
    """So many pending invites."""
    return f"{number:,} pending invite{'' if number == 1 else 's'}"


def have(number: int) -> str:
    return "has" if number == 1 else "have"


def come(number: int) -> str:
    return "comes" if number == 1 else "come"


def _coming(plan: Plan, kind: type[Kept]) -> int:
    return plan.counts[kind].coming


def _ended(number: int) -> str:
    return f"{number:,} resolved invite{'' if number == 1 else 's'}"


def _its(number: int) -> str:
    return "its" if number == 1 else "their"


def keys_in_words(ids: Sequence[str], where: object) -> str:
    """Which keys come, and where to."""
    return f"the signing key{'' if len(ids) == 1 else 's'} {', '.join(ids)} {come(len(ids))} into {where}"
