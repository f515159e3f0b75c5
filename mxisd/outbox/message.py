"""Telling an invitee of an invite."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ..notify import InviteMessage, MessageSender, Reminder, SendFailed
from ..storage.records import Delivery, Invite, Kind
from .courier import Outcome

# Puts an invite into a message.
Compose: TypeAlias = Callable[[Invite], InviteMessage | Reminder]


class MessageDelivery:
    """Sends messages about invites, unless they have ended meanwhile."""

    repeatable = True

    def __init__(self, kind: Kind, messages: MessageSender[InviteMessage | Reminder], compose: Compose) -> None:
        self.kind: Kind = kind
        self._messages = messages
        self._compose = compose

    async def deliver(self, delivery: Delivery, invite: Invite | None) -> Outcome:
        """See :class:`~mxisd.outbox.courier.Courier`."""
        if invite is None or invite.ended is not None:
            return Outcome("moot", "the invite has ended")
        try:
            await self._messages.send(self._compose(invite))
        except SendFailed as error:
            return Outcome("refused" if error.permanent else "later", str(error))
        return Outcome("done", "sent")
