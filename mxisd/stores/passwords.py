"""Checks passwords for the homeserver."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ..log import Logger
from ..matrix.ids import InvalidIdentifier, server_of
from ..waiting import within
from .attempts import Attempts
from .store import Profile
from .stores import StoreFailed

log = Logger()

# Seconds.  That a password is wrong is said at multiples of this only: how long a store took would tell whether there
# is such a user.  Not more, since a widespread module for Synapse blocks all of it while it waits.
BEAT = 0.25
# Seconds for the stores: that module would wait forever.
PATIENCE = 30.0


class Authentication(Protocol):
    """Several stores, taken as one."""

    async def authenticate(self, user_id: str, password: str) -> Profile | None: ...


class Credentials:
    """The passwords of the users of one homeserver."""

    def __init__(self, stores: Authentication, domain: str, clock: IReactorTime) -> None:
        self._stores = stores
        self._domain = domain
        self._attempts = Attempts(clock)
        self._clock = clock

    async def check(self, user_id: str, password: str) -> Profile | None:
        """
        What is known of a user if the password is theirs; ``None`` alike for a wrong one and for nobody's.

        Raises :class:`MatrixError` ``M_LIMIT_EXCEEDED``, and :class:`StoreFailed` if not every store could be asked.
        """
        began = self._clock.seconds()
        try:
            profile = await self._ask(user_id, password) if self._is_ours(user_id) else None
        except StoreFailed:
            await self._on_the_beat(began)
            raise
        if profile is None:
            await self._on_the_beat(began)
        return profile

    def _is_ours(self, user_id: str) -> bool:
        try:
            return server_of(user_id) == self._domain
        except InvalidIdentifier:
            return False

    async def _ask(self, user_id: str, password: str) -> Profile | None:
        # Stores may not care about case: there are not more attempts for a name in capitals.
        key = user_id.casefold()
        self._attempts.begin(key)
        late = StoreFailed("the password was not checked in time")
        profile = await within(PATIENCE, self._clock, self._stores.authenticate(user_id, password), late)
        # A store that reads a name more liberally than the homeserver would let somebody in as another user.
        if profile is not None and profile.user_id.casefold() != key:
            log.warn("{asked} was asked for, and {found} found", asked=user_id, found=profile.user_id)
            return None
        if profile is not None:
            self._attempts.succeeded(key)
        return profile

    async def _on_the_beat(self, began: float) -> None:
        await deferLater(self._clock, BEAT - (self._clock.seconds() - began) % BEAT)
