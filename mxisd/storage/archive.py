"""All that an engine keeps, record by record, to be carried to another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct

from .records import Binding, Delivery, Invite, Session


class AccessToken(Struct, frozen=True, kw_only=True):
    digest: str
    user_id: str
    created: int


class AcceptedTerms(Struct, frozen=True, kw_only=True):
    user_id: str
    url: str
    accepted_at: int


class Transaction(Struct, frozen=True, kw_only=True):
    txn_id: str
    done_at: int


class Cooldown(Struct, frozen=True, kw_only=True):
    name: str
    until: int


Kept: TypeAlias = Binding | Session | Invite | Delivery | AccessToken | AcceptedTerms | Transaction | Cooldown

# Invites go before the deliveries that are about them.  The index of hashed addresses is not carried but made anew.
KINDS: tuple[type[Kept], ...] = (
    Binding,
    Session,
    Invite,
    Delivery,
    AccessToken,
    AcceptedTerms,
    Transaction,
    Cooldown,
)

# Positions among the records of a kind, in the order of the engine that has them.
START = ""
END = "end"


class Archive(Protocol):
    """An engine's records, while nobody else uses it."""

    async def pack(self, kind: type[Kept], position: str) -> tuple[Sequence[Kept], str]:
        """
        Some of the records that come after a position, and the position after them.

        A record may come again later.  A delivery that is under way comes as one whose attempt was lost.
        """
        ...

    async def unpack(self, kind: type[Kept], records: Sequence[Kept], position: str) -> None:
        """Keep records, which may be there already, and with them how far one has come in the other engine."""
        ...

    async def reached(self, kind: type[Kept]) -> str:
        """How far :meth:`unpack` has come."""
        ...

    async def forget_positions(self) -> None:
        """All that was to be unpacked is there."""
        ...
