"""Sends the messages about an invite to the invitee."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime

from ..clock import HOUR, now
from ..notify import InviteMessage, MessageSender, Reminder, SendFailed
from ..storage.contract import OutboxStorage, StorageUnavailable
from ..storage.records import Delivery, Invite, Kind, sha256_of
from .courier import Outcome

# A mail server that took a message without saying so has most likely delivered it: so many milliseconds until the first
# repetition, the second, and so on.
REPEAT_AFTER = (HOUR, 4 * HOUR, 16 * HOUR)

# Puts an invite into a message.
Compose: TypeAlias = Callable[[Invite], InviteMessage | Reminder]


class MessageDelivery:
    """Sends messages about invites, unless they have ended meanwhile."""

    repeatable = True

    def __init__(
        self,
        kind: Kind,
        messages: MessageSender[InviteMessage | Reminder],
        compose: Compose,
        outbox: OutboxStorage,
        clock: IReactorTime,
    ) -> None:
        self.kind: Kind = kind
        self._messages = messages
        self._compose = compose
        self._outbox = outbox
        self._clock = clock

    async def deliver(self, delivery: Delivery, invite: Invite | None) -> Outcome:
        """See :class:`~mxisd.outbox.courier.Courier`."""
        if invite is None or invite.ended is not None:
            return Outcome("moot", "the invite has ended")
        try:
            message = replace(self._compose(invite), reference=_reference(delivery))
            await self._messages.send(message, partial(self._handing_over, delivery))
        except StorageUnavailable as error:
            return Outcome("later", str(error))
        except SendFailed as error:
            if error.handed_over:
                return _unanswered(delivery, str(error))
            return Outcome("refused" if error.permanent else "later", str(error))
        return Outcome("done", "sent")

    async def _handing_over(self, delivery: Delivery) -> None:
        """Should we not live to see how it ends, the message has most likely arrived: nobody is to repeat it soon."""
        await self._outbox.renew([delivery], now(self._clock) + _repeat_after(delivery))


def _reference(delivery: Delivery) -> str:
    """The same for each attempt, so that mail programs show one copy; the token, a secret, cannot be told from it."""
    digest = sha256_of(f"{delivery.token} {delivery.id}")[:32]
    return f"{digest}.{delivery.kind}"


def _unanswered(delivery: Delivery, answer: str) -> Outcome:
    if delivery.lost < len(REPEAT_AFTER):
        return Outcome("lost", answer, retry_after=_repeat_after(delivery))
    return Outcome("unknown", answer)


def _repeat_after(delivery: Delivery) -> int:
    return REPEAT_AFTER[min(delivery.lost, len(REPEAT_AFTER) - 1)]
