"""The users of the application service."""

from __future__ import annotations

from collections.abc import Collection

from ..matrix.error import ErrorBody
from ..matrix.homeserver import Homeserver, HomeserverRefused
from ..matrix.ids import split_user_id


class NotOurs(HomeserverRefused):
    """There is a user of a name of ours, and somebody logs in as this user."""

    def __init__(self, user_id: str) -> None:
        remedy = "name another user in appsvc.user, restart mxisd, and give the homeserver the new registration"
        reason = f"{user_id} is an account that somebody else logs in to: {remedy}"
        super().__init__(400, ErrorBody("M_USER_IN_USE", reason))


class Users:
    """Our users: they are made on the homeserver when they are first needed."""

    def __init__(self, homeserver: Homeserver, user_ids: Collection[str]) -> None:
        self._homeserver = homeserver
        self._user_ids = user_ids
        self._registered: set[str] = set()

    def __contains__(self, user_id: object) -> bool:
        return user_id in self._user_ids

    async def register(self, user_id: str) -> None:
        """Make sure that there is one of our users.  Raises as :class:`Homeserver`, and :class:`NotOurs`."""
        if user_id not in self._registered:
            if not await self._homeserver.register(split_user_id(user_id)[0]):
                await self.check(user_id)
            self._registered.add(user_id)

    async def check(self, user_id: str) -> None:
        """Make sure that nobody has logged in as one of our users meanwhile.  Raises as :meth:`register`."""
        if not await self._homeserver.is_unattended(user_id):
            raise NotOurs(user_id)
