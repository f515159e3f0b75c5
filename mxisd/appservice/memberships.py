"""What becomes of invites in their rooms: who has accepted them, and who is there without them."""

from __future__ import annotations

from collections.abc import Collection

from ..invites.lifecycle import InviteLifecycle
from ..outbox.members import Members
from ..storage.contract import InviteStorage
from .events import Event


class Memberships:
    """
    Ends an invite as accepted when somebody is seen to join by it, and has :class:`Members` know who comes and goes.

    Who joins by the link in a mail is invited by an event with the token in it, and joins by a second one.
    """

    def __init__(
        self, invites: InviteStorage, lifecycle: InviteLifecycle, members: Members, own_users: Collection[str]
    ) -> None:
        """``own_users`` are those of the application service: each expired invite of a room is given to one of them."""
        self._invites = invites
        self._lifecycle = lifecycle
        self._members = members
        self._own_users = own_users

    async def see(self, event: Event) -> None:
        """See :class:`~mxisd.appservice.events.Reaction`; raises :class:`StorageUnavailable`."""
        user_id, membership = event.state_key, event.content.get("membership")
        if event.type != "m.room.member" or not user_id or user_id in self._own_users:
            return
        if membership in ("invite", "join"):
            await self._members.saw(event.room_id, user_id)
            await self._accept(event, user_id, membership)
        elif membership in ("leave", "ban"):
            await self._members.left(event.room_id, user_id)

    async def _accept(self, event: Event, user_id: str, membership: str) -> None:
        token = event.invite_token
        invite = None if token is None else await self._invites.get(token)
        if invite is None or invite.ended is not None or invite.room_id != event.room_id:
            return
        # Homeservers check the signature in an invite.  Whoever joins may write there what they like.
        if membership == "invite" or user_id in invite.signed_by:
            await self._lifecycle.accept(invite.token, user_id)
