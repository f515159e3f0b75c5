"""Telling an invitee of an invite."""

from __future__ import annotations

from typing import Protocol

from ..notify import InviteMessage, SendFailed
from ..storage.contract import Invites
from ..storage.records import Delivery, Kind
from .delivery import Outcome


class Messages(Protocol):
    """Where messages are handed in."""

    async def send(self, message: InviteMessage) -> None: ...


class MessageDelivery:
    """Sends the message about an invite, unless the invite has ended meanwhile."""

    kind: Kind = "message"
    repeatable = True

    def __init__(self, invites: Invites, messages: Messages) -> None:
        self._invites = invites
        self._messages = messages

    async def deliver(self, delivery: Delivery) -> Outcome:
        """See :class:`~mxisd.invites.delivery.Courier`."""
        invite = await self._invites.get(delivery.token or "")
        if invite is None or invite.ended is not None:
            return Outcome("moot", "the invite has ended")
        try:
            await self._messages.send(InviteMessage(invite))
        except SendFailed as error:
            return Outcome("refused" if error.permanent else "later", str(error))
        return Outcome("done", "sent")
