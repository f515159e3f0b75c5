"""Ends the invites that are revoked in their rooms."""

from __future__ import annotations

from ..invites.lifecycle import InviteLifecycle
from ..storage.contract import InviteStorage
from .events import Event


class Revocation:
    """Cancels an invite when its ``m.room.third_party_invite`` event is emptied: no more mail, no more lookups."""

    def __init__(self, invites: InviteStorage, lifecycle: InviteLifecycle) -> None:
        self._invites = invites
        self._lifecycle = lifecycle

    async def see(self, event: Event) -> None:
        """See :class:`~mxisd.appservice.events.Reaction`; raises :class:`StorageUnavailable`."""
        if event.type != "m.room.third_party_invite" or not event.state_key or _has_keys(event):
            return
        invite = await self._invites.get(event.state_key)
        # Anyone may send any token into a room of their own.
        if invite is not None and invite.room_id == event.room_id:
            await self._lifecycle.cancel(invite.token)


def _has_keys(event: Event) -> bool:
    # Without any, nobody can be let in by the invite.
    return bool(event.content.get("public_key") or event.content.get("public_keys"))
