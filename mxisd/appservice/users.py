"""The users of the application service."""

from __future__ import annotations

from collections.abc import Collection

from ..matrix.homeserver import Homeserver
from ..matrix.ids import split_user_id


class Users:
    """Our users: they are made on the homeserver when they are first needed."""

    def __init__(self, homeserver: Homeserver, user_ids: Collection[str]) -> None:
        self._homeserver = homeserver
        self._user_ids = user_ids
        self._registered: set[str] = set()

    def __contains__(self, user_id: object) -> bool:
        return user_id in self._user_ids

    async def register(self, user_id: str) -> None:
        """Make sure that there is one of our users.  Raises as :class:`Homeserver`."""
        if user_id not in self._registered:
            await self._homeserver.register(split_user_id(user_id)[0])
            self._registered.add(user_id)
