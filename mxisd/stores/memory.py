"""``memory``: users in the configuration itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from hmac import compare_digest

from msgspec import Struct

from ..config.stores import MemoryUser
from ..lookup.source import Batch
from ..matrix.threepid import ThreePid, spellings
from .address import kept
from .localpart import UserIds
from .store import Entry, Profile


class _Users(Struct, frozen=True):
    profiles: Mapping[str, Profile]
    passwords: Mapping[str, str]
    by_threepid: Mapping[ThreePid, str]


class MemoryStore:
    """Can do all that a store can.  Where two users share an address the first has it."""

    name = "memory"
    local = True

    def __init__(self, identities: Iterable[MemoryUser], user_ids: UserIds) -> None:
        self._user_ids = user_ids
        self.replace(identities)

    def replace(self, identities: Iterable[MemoryUser]) -> None:
        """Take other users from now on: those of a configuration that was read again."""
        users = dict(self._read(identities))
        profiles = {user_id: profile for user_id, (profile, _) in users.items()}
        self._users = _Users(
            profiles,
            {user_id: password for user_id, (_, password) in users.items() if password},
            {threepid: profile.user_id for profile in reversed(profiles.values()) for threepid in profile.threepids},
        )

    def _read(self, identities: Iterable[MemoryUser]) -> Iterator[tuple[str, tuple[Profile, str | None]]]:
        for user in identities:
            user_id = self._user_ids.of_name(user.username)
            if user_id is not None:
                threepids = tuple(kept(given.medium, given.address) for given in user.threepids)
                profile = Profile(user_id, user.display_name, threepids, frozenset(user.roles))
                yield user_id, (profile, user.password)

    async def lookup(self, threepids: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        known = self._users.by_threepid
        return {threepid: known[threepid] for threepid in threepids if threepid in known}

    async def display_name(self, user_id: str) -> str | None:
        return self._profile(user_id).display_name

    async def threepids(self, user_id: str) -> tuple[ThreePid, ...]:
        return self._profile(user_id).threepids

    async def roles(self, user_id: str) -> frozenset[str]:
        return self._profile(user_id).roles

    def _profile(self, user_id: str) -> Profile:
        return self._users.profiles.get(user_id) or Profile(user_id)

    async def search_by_name(self, term: str, limit: int) -> Sequence[Entry]:
        return self._search(
            term, limit, lambda profile: (profile.user_id.partition(":")[0], profile.display_name or "")
        )

    async def search_by_threepid(self, term: str, limit: int) -> Sequence[Entry]:
        def addresses(profile: Profile) -> Iterable[str]:
            return (spelling.address for threepid in profile.threepids for spelling in spellings(threepid))

        return self._search(term, limit, addresses)

    def _search(self, term: str, limit: int, texts: Callable[[Profile], Iterable[str]]) -> list[Entry]:
        term = term.casefold()
        return [
            Entry(profile.user_id, profile.display_name)
            for profile in self._users.profiles.values()
            if any(term in text.casefold() for text in texts(profile))
        ][:limit]

    async def batches(self) -> AsyncIterator[Batch]:
        yield list(self._users.by_threepid.items())

    async def authenticate(self, user_id: str, password: str) -> Profile | None:
        expected = self._users.passwords.get(user_id)
        if expected is None or not compare_digest(expected.encode(), password.encode("utf-8", "surrogatepass")):
            return None
        return self._users.profiles[user_id]
