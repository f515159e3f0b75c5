"""The parts of the storage contract by which processes see to it that a thing happens once."""

from __future__ import annotations

from typing import Protocol


class TransactionStorage(Protocol):
    """Transactions from the homeserver, by ID and a digest (without spaces) of their events: none is handled twice."""

    async def is_done(self, txn_id: str, digest: str) -> bool: ...

    async def done(self, txn_id: str, digest: str, now: int) -> None: ...

    async def purge(self, done_before: int) -> int: ...


class CooldownStorage(Protocol):
    """Things that all processes together do at most once in a period."""

    async def take(self, name: str, now: int, period: int) -> bool:
        """Return ``True`` if no cooldown of this name is running, and start one of ``period`` ms."""
        ...

    async def end(self, name: str, now: int) -> bool:
        """Return ``True`` if a cooldown of this name is running, and end it."""
        ...

    async def is_running(self, name: str, now: int) -> bool:
        """Whether a cooldown of this name is running."""
        ...

    async def purge(self, now: int) -> int:
        """Delete cooldowns that are over; return how many."""
        ...
