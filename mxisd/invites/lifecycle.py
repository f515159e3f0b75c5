"""How invites end, other than by a binding."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.interfaces import IReactorTime

from ..clock import now
from ..log import audit
from ..matrix.ids import server_of
from ..matrix.threepid import ThreePid, redacted
from ..metrics import INVITES_ENDED
from ..outbox.courier import Outbox
from ..storage.contract import InviteStorage
from ..storage.records import End, Invite


class InviteLifecycle:
    """Ends pending invites; of each method the result is the invite as ended, or ``None`` if it was not pending."""

    def __init__(self, invites: InviteStorage, outbox: Outbox, clock: IReactorTime, expiry_user: str) -> None:
        self._invites = invites
        self._outbox = outbox
        self._clock = clock
        self._expiry_user = expiry_user

    async def resolve(self, token: str, user_id: str) -> Invite | None:
        """
        The address is this user's, who is told; it is accepted instead if the user is in the room by it already.

        Raises :class:`InvalidIdentifier` for what is no user ID.
        """
        return await self._deliver(token, "resolved", user_id)

    async def accept(self, token: str, user_id: str) -> Invite | None:
        """The user has joined by the link in the mail: there is nothing to be told to anybody."""
        return await self._end(token, "accepted", user_id, None)

    async def resolve_all(self, found: Mapping[ThreePid, str]) -> None:
        """The same for all invites of some hundred addresses, by address."""
        users = [(threepid, user_id, server_of(user_id)) for threepid, user_id in found.items()]
        ended = await self._invites.resolve(users, now(self._clock))
        for invite in ended:
            _tell(invite)
        if ended:
            self._outbox.wake()

    async def expire(self, token: str) -> Invite | None:
        """Nobody wanted it: give it to the user who rejects invites, since Matrix has no way to take one back."""
        return await self._deliver(token, "expired", self._expiry_user)

    async def cancel(self, token: str) -> Invite | None:
        """It was withdrawn in its room."""
        return await self._end(token, "cancelled", None, None)

    async def _deliver(self, token: str, end: End, user_id: str) -> Invite | None:
        invite = await self._end(token, end, user_id, server_of(user_id))
        if invite is not None:
            self._outbox.wake()
        return invite

    async def _end(self, token: str, end: End, user_id: str | None, destination: str | None) -> Invite | None:
        invite = await self._invites.end(token, end, user_id, destination, now(self._clock))
        if invite is not None:
            _tell(invite)
        return invite


def _tell(invite: Invite) -> None:
    INVITES_ENDED.labels(invite.ended).inc()
    audit.info(
        "the invite of {address} to {room_id} has {end}",
        address=redacted(invite.threepid),
        room_id=invite.room_id,
        end=_DONE[invite.ended],
    )


_DONE: Mapping[End | None, str] = {
    "resolved": "been resolved",
    "accepted": "been accepted",
    "expired": "expired",
    "cancelled": "been cancelled",
}
