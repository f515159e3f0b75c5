"""Messages about invites, and reminders of them."""

from __future__ import annotations

from datetime import timedelta

from msgspec import structs
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from mxisd.clock import DAY, HOUR, now
from mxisd.config.invite import Expiration, Invite, Reminder
from mxisd.matrix.threepid import email
from mxisd.notify import InviteMessage, SendFailed
from mxisd.notify import Reminder as ReminderMessage
from mxisd.notify.notifier import HandingOver, unnoticed
from mxisd.outbox.courier import Outcome
from mxisd.outbox.message import MessageDelivery
from mxisd.outbox.worker import LEASE, OutboxWorker
from mxisd.storage.contract import StorageUnavailable
from mxisd.storage.records import Delivery
from tests.make import clock_at, invite, result
from tests.storage.inline import storage_in_memory

INVITE = invite(email("bob@example.com"), token="token")

NO_ANSWER = SendFailed(permanent=False, reason="no answer", handed_over=True)


class Mailbox:
    def __init__(self) -> None:
        self.messages: list[InviteMessage | ReminderMessage] = []
        self.failure: SendFailed | None = None
        self.early: SendFailed | None = None
        """What happens before a message is passed on."""
        self.held: Deferred[None] | None = None

    async def send(self, message: InviteMessage | ReminderMessage, handing_over: HandingOver = unnoticed) -> None:
        if self.early is not None:
            raise self.early
        await handing_over()
        if self.held is not None:
            await self.held
        if self.failure is not None:
            raise self.failure
        self.messages.append(message)


class MessageTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.storage = storage_in_memory()
        self.clock = clock_at(INVITE.created)
        result(self.storage.invites.add(INVITE, resend_before=0))
        self.mailbox = Mailbox()
        self.courier = MessageDelivery("message", self.mailbox, InviteMessage, self.storage.outbox, self.clock)

    def deliver(self) -> Outcome:
        (queued,) = result(self.storage.outbox.of_invite("token"))
        return result(self.courier.deliver(queued, result(self.storage.invites.get("token"))))

    def test_is_about_the_invite(self) -> None:
        self.assertEqual(self.deliver().what, "done")
        (message,) = self.mailbox.messages
        self.assertEqual(message, InviteMessage(INVITE, reference=message.reference))

    def test_none_about_an_invite_that_has_ended(self) -> None:
        result(self.storage.invites.end("token", "cancelled", None, None, INVITE.created + 1))
        self.assertEqual(self.deliver().what, "moot")
        self.assertEqual(self.mailbox.messages, [])

    def test_failures(self) -> None:
        self.mailbox.failure = SendFailed(permanent=False, reason="421 later")
        self.assertEqual(self.deliver(), Outcome("later", "421 later"))
        self.mailbox.failure = SendFailed(permanent=True, reason="550 nobody here")
        self.assertEqual(self.deliver(), Outcome("refused", "550 nobody here"))

    def test_a_process_that_dies_after_it_has_passed_a_message_on_has_most_likely_sent_it(self) -> None:
        for lost, wait in ((0, HOUR), (1, 4 * HOUR), (2, 16 * HOUR), (3, 16 * HOUR)):
            (claimed,) = self.claim()
            self.assertEqual(claimed.lost, lost)
            self.mailbox.held = Deferred()
            Deferred.fromCoroutine(self.courier.deliver(claimed, INVITE))
            # Whoever lives renews the claims of all that is under way.
            result(self.storage.outbox.renew([claimed], now(self.clock) + LEASE))
            self.clock.advance(wait / 1000 - 1)
            self.assertEqual(self.claim(), [])
            self.clock.advance(1)

    def test_a_process_that_dies_before_has_not(self) -> None:
        self.mailbox.early = SendFailed(permanent=False, reason="421 later")
        (claimed,) = self.claim()
        result(self.courier.deliver(claimed, INVITE))
        self.clock.advance(LEASE / 1000)
        self.assertEqual(len(self.claim()), 1)

    def test_nothing_is_passed_on_that_cannot_be_noted(self) -> None:
        (claimed,) = self.claim()
        self.patch(type(self.storage.outbox), "renew", _away)
        self.assertEqual(result(self.courier.deliver(claimed, INVITE)).what, "later")
        self.assertEqual(self.mailbox.messages, [])

    def claim(self) -> list[Delivery]:
        return result(self.storage.outbox.claim("message", now(self.clock), LEASE, 9, {}, 9)).deliveries

    def test_attempts_at_one_message_have_one_reference(self) -> None:
        self.deliver()
        self.deliver()
        first, second = (message.reference for message in self.mailbox.messages)
        self.assertEqual(first, second)
        self.assertRegex(first, r"^[0-9a-f]{32}\.message$")

    def test_a_message_that_is_sent_again_on_purpose_has_another(self) -> None:
        self.deliver()
        (first,) = result(self.storage.outbox.of_invite("token"))
        again = structs.replace(first, id=first.id + "1")
        result(self.courier.deliver(again, result(self.storage.invites.get("token"))))
        self.assertEqual(len({message.reference for message in self.mailbox.messages}), 2)

    def test_handed_over_without_an_answer(self) -> None:
        clock = self.clock
        self.mailbox.failure = NO_ANSWER
        worker = OutboxWorker(self.storage.outbox, self.courier, clock, bytes, give_up_after=timedelta(days=7))
        worker.startService()
        self.addCleanup(worker.stopService)
        attempts = []
        for _ in range(8 * 24 * 60):
            clock.advance(60)
            (delivery,) = result(self.storage.outbox.of_invite("token"))
            attempts.append(delivery.attempts)
        hours = [(attempts.index(number) + 1) // 60 for number in (1, 2, 3, 4)]
        self.assertEqual(hours, [0, 1, 5, 21])
        self.assertEqual((delivery.state, delivery.attempts, delivery.answer), ("unknown", 4, "no answer"))


class ReminderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = clock_at(INVITE.created)
        self.storage = storage_in_memory()
        self.mailbox = Mailbox()
        outbox = self.storage.outbox
        courier = MessageDelivery(
            "reminder",
            self.mailbox,
            lambda invite: ReminderMessage(invite, invite.created + DAY),
            outbox,
            self.clock,
        )
        deliveries = OutboxWorker(self.storage.outbox, courier, self.clock, bytes, give_up_after=timedelta(days=1))
        deliveries.startService()
        self.addCleanup(deliveries.stopService)
        add = self.storage.invites.add(INVITE, resend_before=0, reminder_due=INVITE.created + 23 * HOUR)
        result(add)

    def wait(self, seconds: int) -> None:
        self.clock.pump([60] * (seconds // 60))

    def test_one_in_time(self) -> None:
        self.wait(23 * 3600 - 120)
        self.assertEqual(self.mailbox.messages, [])
        self.wait(24 * 3600)
        (message,) = self.mailbox.messages
        expected = ReminderMessage(INVITE, INVITE.created + DAY, reference=message.reference)
        self.assertEqual(message, expected)

    def test_none_for_an_invite_that_has_ended(self) -> None:
        end = self.storage.invites.end("token", "cancelled", None, None, INVITE.created + 1)
        result(end)
        self.wait(48 * 3600)
        self.assertEqual(self.mailbox.messages, [])


class ConfigurationTests(SynchronousTestCase):
    def test_when(self) -> None:
        hour, minute = timedelta(hours=1), timedelta(minutes=1)
        invite = Invite(expiration=Expiration(after=hour), reminder=Reminder(before=minute))
        self.assertEqual(invite.remind_after, 59 * minute)
        self.assertIsNone(Invite().remind_after)
        unexpiring = structs.replace(invite, expiration=Expiration(enabled=False))
        self.assertIsNone(unexpiring.remind_after)

    def test_must_come_before_the_end(self) -> None:
        hour = timedelta(hours=1)
        (mistake,) = Invite(expiration=Expiration(after=hour), reminder=Reminder(before=hour)).mistakes()
        self.assertEqual(mistake.key, "reminder.before")


async def _away(*_: object) -> None:
    raise StorageUnavailable("gone fishing")
