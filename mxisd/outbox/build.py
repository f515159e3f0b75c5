"""Puts the workers of the outbox together."""

from __future__ import annotations

from typing import NamedTuple

from ..clock import milliseconds
from ..core import Core
from ..notify import InviteMessage, Message, MessageSender, Reminder
from ..storage.records import Invite
from .courier import Courier, Outbox
from .members import Members
from .message import MessageDelivery
from .onbind import OnbindDelivery
from .worker import OutboxWorker

# To one medium, which is usually one server.
MESSAGES_AT_ONCE = 16
REMINDERS_AT_ONCE = 4


class Outboxes(NamedTuple):
    """The outbox, by kind of delivery."""

    onbind: Outbox
    messages: Outbox
    members: Members
    """Whom no homeserver is told of."""


def build(core: Core, notifier: MessageSender[Message]) -> Outboxes:
    """A worker for each kind of delivery."""
    config = core.config.invite
    give_up_after = config.delivery.give_up_after

    def worker(courier: Courier, per_destination: int) -> OutboxWorker:
        return core.run(
            OutboxWorker(core.storage.outbox, courier, core.reactor, core.random, give_up_after, per_destination)
        )

    def expires(invite: Invite) -> int:
        return invite.created + milliseconds(config.expiration.after)

    def message(invite: Invite) -> InviteMessage:
        return InviteMessage(invite, expires(invite) if config.expiration.enabled else None)

    def reminder(invite: Invite) -> Reminder:
        return Reminder(invite, expires(invite))

    told = core.config.appsvc.enabled or core.config.intercepts
    members = Members(core.storage.cooldowns, core.reactor, told=told)
    onbind = worker(OnbindDelivery(core.federation, core.signer, members, core.reactor), config.delivery.concurrency)
    outbox, clock = core.storage.outbox, core.reactor
    messages = worker(MessageDelivery("message", notifier, message, outbox, clock), MESSAGES_AT_ONCE)
    worker(MessageDelivery("reminder", notifier, reminder, outbox, clock), REMINDERS_AT_ONCE)
    return Outboxes(onbind, messages, members)
