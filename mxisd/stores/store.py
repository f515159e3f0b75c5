"""
What an identity store can do, a protocol each.

A store implements those that it can, and :class:`Store` says which.  All of them may raise anything when the store
cannot be reached or answers nonsense: whoever asks several goes on with the next (:mod:`.stores`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from msgspec import Struct

from ..lookup.source import Listing, Source
from ..matrix.threepid import ThreePid


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


class Entries(list[Entry]):
    """Users found by a search; ``more`` of them than these are known to be there."""

    def __init__(self, entries: Iterable[Entry] = (), *, more: bool) -> None:
        super().__init__(entries)
        self.more = more


def are_more(found: Sequence[Entry]) -> bool:
    """Whether a search is known to have left somebody out."""
    return isinstance(found, Entries) and found.more


class Roles(Protocol):
    """Knows the roles of users."""

    async def roles(self, user_id: str) -> Collection[str]:
        """The roles of a user; of one that is not known, none."""
        ...


class UserAddresses(Protocol):
    """Knows the addresses of users."""

    async def threepids(self, user_id: str) -> Collection[ThreePid]:
        """The addresses of a user; of one that is not known, none."""
        ...


class Profiles(Roles, UserAddresses, Protocol):
    """Knows users by their user IDs; of a user it does not know there is nothing to say."""

    async def display_name(self, user_id: str) -> str | None: ...


class Directory(Protocol):
    """Finds users by a part of what is known of them, whatever its case.

    At most ``limit`` of them; as :class:`Entries`, where the store knows whether there are more.
    """

    async def search_by_name(self, term: str, limit: int) -> Sequence[Entry]: ...

    async def search_by_threepid(self, term: str, limit: int) -> Sequence[Entry]: ...


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
