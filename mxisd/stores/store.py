"""
What an identity store can do, a protocol each.

A store implements those that it can, and :class:`Store` says which.  All of them may raise anything when the store
cannot be reached or answers nonsense: whoever asks several goes on with the next (:mod:`.stores`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct

from ..lookup.source import Source
from ..matrix.threepid import ThreePid

Batch: TypeAlias = Sequence[tuple[ThreePid, str]]
"""Addresses, in the form in which they are compared, and the user IDs behind them."""


class Profile(Struct, frozen=True):
    """What a store says of a user."""

    user_id: str
    display_name: str | None = None
    threepids: tuple[ThreePid, ...] = ()
    roles: frozenset[str] = frozenset()


class Entry(Struct, frozen=True):
    """A user found by a search; ``avatar`` is a URL."""

    user_id: str
    display_name: str | None = None
    avatar: str | None = None


class Profiles(Protocol):
    """Knows users by their user IDs; of a user it does not know there is nothing to say."""

    async def display_name(self, user_id: str) -> str | None: ...

    async def threepids(self, user_id: str) -> Collection[ThreePid]: ...

    async def roles(self, user_id: str) -> Collection[str]: ...


class Directory(Protocol):
    """Finds users by a part of what is known of them, whatever its case; at most ``limit`` of them."""

    async def search_by_name(self, term: str, limit: int) -> Sequence[Entry]: ...

    async def search_by_threepid(self, term: str, limit: int) -> Sequence[Entry]: ...


class Listing(Protocol):
    """Lists everyone, for the hashes of their addresses."""

    def batches(self) -> AsyncIterator[Batch]:
        """All addresses, some thousand at a time, in no particular order."""
        ...


class Authentication(Protocol):
    """Checks passwords."""

    async def authenticate(self, user_id: str, password: str) -> Profile | None:
        """What is known of the user whom the password, which is not empty, belongs to; ``None`` if it is wrong."""
        ...


class Store(Struct, frozen=True):
    """An identity store, as configured: ``None`` stands for what it cannot do, or must not."""

    name: str
    """As in the configuration: for the log."""
    source: Source | None = None
    profiles: Profiles | None = None
    directory: Directory | None = None
    listing: Listing | None = None
    authentication: Authentication | None = None
