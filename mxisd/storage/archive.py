"""Read all records of an engine, page by page, and write them to another one: used by ``mxisd storage copy``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct

from .records import Binding, Delivery, Invite, Session


class AccessToken(Struct, frozen=True, kw_only=True):
    digest: str
    user_id: str
    created: int
    """When it was given out or, to some weeks, used last."""


class AcceptedTerms(Struct, frozen=True, kw_only=True):
    user_id: str
    url: str
    accepted_at: int


class Transaction(Struct, frozen=True, kw_only=True):
    txn_id: str
    digest: str
    done_at: int


class Cooldown(Struct, frozen=True, kw_only=True):
    name: str
    until: int


Kept: TypeAlias = Binding | Session | Invite | Delivery | AccessToken | AcceptedTerms | Transaction | Cooldown

# The order of copying: invites come before their deliveries.  The index of hashed addresses is not copied but rebuilt.
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

# Positions in the list of all records of a kind; between these two, only the engine that is read understands them.
START = ""
END = "end"


class Archive(Protocol):
    """All records of an engine.  Nothing else may use the engine at the same time."""

    async def pack(self, kind: type[Kept], position: str) -> tuple[Sequence[Kept], str]:
        """
        Read the page of records after a position; return it with the position at its end.

        The same record may be on a later page again.  A delivery that is claimed is returned as one whose attempt was
        lost.
        """
        ...

    async def unpack(self, kind: type[Kept], records: Sequence[Kept], position: str) -> None:
        """Write records, over those that exist already, and note the position reached in the other engine."""
        ...

    async def reached(self, kind: type[Kept]) -> str:
        """The position noted by the last :meth:`unpack`; ``START`` if there was none."""
        ...

    async def forget_positions(self) -> None:
        """The copy is complete: delete the noted positions."""
        ...
