"""The profile of a user, as the identity stores have it."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ..log import Logger
from ..waiting import within
from .store import Profile, Profiles

log = Logger()

T = TypeVar("T")

# Seconds: a profile without what the stores know is better than one that comes late.
PROFILE_TIMEOUT = 10.0


class StoreProfiles:
    """Asks the stores, and does without those that fail."""

    def __init__(self, stores: Profiles, clock: IReactorTime) -> None:
        self._stores = stores
        self._clock = clock

    async def of(self, user_id: str) -> Profile:
        """All that is known of a user; of one that nobody knows there is the user ID."""
        name = Deferred.fromCoroutine(self._in_time(self._stores.display_name(user_id)))
        threepids = Deferred.fromCoroutine(self._in_time(self._stores.threepids(user_id)))
        roles = Deferred.fromCoroutine(self._in_time(self._stores.roles(user_id)))
        return Profile(user_id, await name, tuple(await threepids or ()), frozenset(await roles or ()))

    async def _in_time(self, question: Coroutine[Any, Any, T]) -> T | None:
        try:
            return await within(
                PROFILE_TIMEOUT, self._clock, question, TimeoutError("the identity stores took too long")
            )
        except Exception as error:
            log.warn("the identity stores could not be asked: {error}", error=error)
            return None
