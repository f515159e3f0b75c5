"""All identity stores together."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from itertools import chain
from typing import Any, TypeVar

from ..log import Logger
from ..lookup.source import Listing, Source
from ..matrix.threepid import ThreePid
from ..waiting import gather
from .store import Directory, Entries, Entry, Profile, Profiles, Store, are_more

log = Logger()
T = TypeVar("T")
Question = Callable[[Store], Coroutine[Any, Any, T] | None]


class StoreFailed(Exception):
    """A store could not be asked, and an answer without it would be a wrong one."""


class Stores:
    """
    Asks every store that can answer.  Where several know something the first in the order of the configuration counts.

    A store that fails is logged and left out, except where its silence would decide something.
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        self._stores = tuple(stores)

    @property
    def sources(self) -> list[Source]:
        """What lookups can ask."""
        return [store.source for store in self._stores if store.source]

    @property
    def listings(self) -> list[tuple[str, Listing]]:
        """What hashes can be made of, by the name of the store."""
        return [(store.name, store.listing) for store in self._stores if store.listing]

    async def roles(self, user_id: str) -> frozenset[str]:
        """
        What all stores say together.

        Raises :class:`StoreFailed`: the role that one cannot tell may be the one that forbids something.
        """
        answers, failed = await self._ask("roles", _of_profiles(lambda profiles: profiles.roles(user_id)))
        if failed:
            raise StoreFailed(f"the roles of {user_id} are not known: {', '.join(failed)} could not be asked")
        return frozenset(role for roles in answers for role in roles)

    async def display_name(self, user_id: str) -> str | None:
        names, _ = await self._ask("display name", _of_profiles(lambda profiles: profiles.display_name(user_id)))
        return next((name for name in names if name), None)

    async def threepids(self, user_id: str) -> tuple[ThreePid, ...]:
        """What all stores say together."""
        answers, _ = await self._ask("3PIDs", _of_profiles(lambda profiles: profiles.threepids(user_id)))
        return tuple(dict.fromkeys(threepid for threepids in answers for threepid in threepids))

    async def search_by_name(self, term: str, limit: int) -> Entries:
        """Each user once."""
        found, _ = await self._ask("search", _of_directory(lambda directory: directory.search_by_name(term, limit)))
        return _once(found, limit)

    async def search_by_threepid(self, term: str, limit: int) -> Entries:
        """Each user once."""
        found, _ = await self._ask("search", _of_directory(lambda directory: directory.search_by_threepid(term, limit)))
        return _once(found, limit)

    async def authenticate(self, user_id: str, password: str) -> Profile | None:
        """
        What the first store that accepts the password knows of the user.

        Raises :class:`StoreFailed` if none accepts it and not all could be asked: that says nothing of the password.
        """
        failed = []
        # No store takes an empty password for a wrong one: LDAP servers take it for an anonymous bind.
        for store in self._stores if password else ():
            if store.authentication is None:
                continue
            try:
                profile = await store.authentication.authenticate(user_id, password)
            except Exception:
                log.failure("{store} could not check a password", store=store.name)
                failed.append(store.name)
            else:
                if profile is not None:
                    return profile
        if failed:
            raise StoreFailed(f"the password was not checked: {', '.join(failed)} could not be asked")
        return None

    async def _ask(self, what: str, question: Question[T]) -> tuple[list[T], list[str]]:
        """Ask all stores at once: their answers, and the names of those that failed."""
        failed: list[str] = []

        async def ask(store: Store, coroutine: Coroutine[Any, Any, T]) -> list[T]:
            try:
                return [await coroutine]
            except Exception:
                log.failure("{store} could not be asked ({what})", store=store.name, what=what)
                failed.append(store.name)
                return []

        asked = [(store, coroutine) for store in self._stores if (coroutine := question(store)) is not None]
        answers = await gather(ask(*each) for each in asked)
        return list(chain.from_iterable(answers)), failed


def _of_profiles(question: Callable[[Profiles], Coroutine[Any, Any, T]]) -> Question[T]:
    return lambda store: question(store.profiles) if store.profiles else None


def _of_directory(question: Callable[[Directory], Coroutine[Any, Any, T]]) -> Question[T]:
    return lambda store: question(store.directory) if store.directory else None


def _once(answers: Sequence[Sequence[Entry]], limit: int) -> Entries:
    by_user: dict[str, Entry] = {}
    for entries in answers:
        for entry in entries:
            by_user.setdefault(entry.user_id, entry)
    return Entries(list(by_user.values())[:limit], more=len(by_user) > limit or any(map(are_more, answers)))
