"""The interfaces between the outbox, those who queue deliveries, and those who make them."""

from __future__ import annotations

from typing import Literal, Protocol

from msgspec import Struct

from ..storage.records import Delivery, Invite, Kind


class Outcome(Struct, frozen=True):
    """
    How an attempt went.

    ``later``: it surely had no effect, and may do so another time; ``error``: the same, but perhaps it never will.
    ``lost``: whether it had an effect is not known; ``unknown``: the same, and it is not to be repeated.
    ``moot``: there was no need for it any more.
    """

    what: Literal["done", "refused", "later", "error", "lost", "unknown", "moot"]
    answer: str
    """What the other side said, for the administrator."""
    retry_after: int = 0
    """Milliseconds until the next attempt, if the other side named them (``Retry-After``)."""


class Courier(Protocol):
    """Knows how to deliver one kind."""

    kind: Kind
    repeatable: bool
    """Whether delivering twice does no harm."""

    async def deliver(self, delivery: Delivery, invite: Invite | None) -> Outcome:
        """Make an attempt; ``invite`` is what the delivery is about, if it is about one that is still known."""
        ...


class Outbox(Protocol):
    """What those see of the outbox who have queued something in it, through the storage."""

    def wake(self) -> None:
        """Look for what is due now, without waiting for the next poll."""
        ...
