"""Searches of the user directory (specification: client-server API, "User Directory")."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any, TypeAlias

from twisted.internet.interfaces import IReactorTime

from ..config.interception import Exclude
from ..log import Logger
from ..waiting import gather, within
from .store import Directory, Entries, Entry, are_more

log = Logger()

# Seconds that a search may take: people wait for it while they type.
SEARCH_TIMEOUT = 10.0

Result: TypeAlias = Mapping[str, Any]
"""A user as in the answer to a search: ``user_id``, and what else is known."""


class StoreSearch:
    """Searches the identity stores."""

    def __init__(self, stores: Directory, exclude: Exclude, clock: IReactorTime) -> None:
        self._stores = stores
        self._exclude = exclude
        self._clock = clock

    async def find(self, term: str, limit: int) -> Entries:
        """
        The users of whom the term is a part of what is known, names first, at most ``limit``.

        Stores that fail, or take longer than :data:`SEARCH_TIMEOUT`, are left out.
        """
        term = term.strip().removeprefix("@")
        # No term is a part of everything: nobody shall read the whole directory.
        if not term or limit < 1:
            return Entries(more=False)
        searches = [self._stores.search_by_name]
        if not self._exclude.threepid:
            searches.append(self._stores.search_by_threepid)
        found = await gather(self._in_time(search(term, limit)) for search in searches)
        by_user = {entry.user_id: entry for entry in chain.from_iterable(found)}
        return Entries(list(by_user.values())[:limit], more=len(by_user) > limit or any(map(are_more, found)))

    async def _in_time(self, search: Coroutine[Any, Any, Sequence[Entry]]) -> Sequence[Entry]:
        try:
            return await within(SEARCH_TIMEOUT, self._clock, search, TimeoutError("the search took too long"))
        except Exception:
            log.failure("the identity stores could not be searched")
            return []


def merged(theirs: Sequence[Result], ours: Sequence[Entry], limit: int) -> tuple[list[Result], bool]:
    """
    What the homeserver and the identity stores found, and whether something had to be left out.

    They take turns, so that neither crowds the other out.  Where both know a user, what the homeserver says counts,
    since that is what the user has chosen, and the stores fill in the rest.
    """
    known = {entry.user_id: _result(entry) for entry in ours}
    chosen = {result["user_id"]: result for result in theirs}
    turns = dict.fromkeys(user_id for user_id in chain.from_iterable(zip_longest(chosen, known)) if user_id is not None)
    results: list[Result] = [{**known.get(user_id, {}), **_said(chosen.get(user_id, {}))} for user_id in turns]
    return results[:limit], len(results) > limit or are_more(ours)


def _result(entry: Entry) -> Result:
    # Another URL would be no avatar to clients, or would show their addresses to its server.
    avatar = entry.avatar if entry.avatar and entry.avatar.startswith("mxc://") else None
    return _said({"user_id": entry.user_id, "display_name": entry.display_name, "avatar_url": avatar})


def _said(result: Result) -> Result:
    return {key: value for key, value in result.items() if value is not None}
