"""Users who are invited by their user ID get mail."""

from __future__ import annotations

from typing import Any

from mxisd.appservice.mail import RETRIES, InviteMail
from mxisd.config.rate_limit import RateLimit
from mxisd.limits.limits import RateLimits
from mxisd.matrix.threepid import ThreePid
from mxisd.notify import MatrixIdInvite, SendFailed
from mxisd.notify.notifier import HandingOver, unnoticed
from tests.appservice.case import Case
from tests.appservice.homeserver import EXPIRY, MAIN
from tests.storage.inline import storage_in_memory

ALICE, BOB = "@alice:example.org", "@bob:example.org"
ROOM = "!room:example.org"


class Post:
    def __init__(self) -> None:
        self.sent: list[MatrixIdInvite] = []
        self.failures: list[SendFailed] = []

    async def send(self, message: MatrixIdInvite, handing_over: HandingOver = unnoticed) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(message)


class InviteMailTests(Case):
    def setUp(self) -> None:
        super().setUp()
        self.post = Post()
        limits = RateLimits(RateLimit().limits(), storage_in_memory().buckets, self.clock, (), "example.org")
        self.mail = InviteMail(
            self.homeserver, self.people, self.post, self.clock, "example.org", {MAIN, EXPIRY}, limits
        )
        self.people.addresses[BOB] = [ThreePid("msisdn", "15551234567"), ThreePid("email", "bob@example.com")]
        self.room = self.fake.room(ROOM, alice="join")
        self.room.state["m.room.name", ""] = {"name": "Spring"}
        self.fake.names[ALICE] = "Alice"

    def told(self, user_id: str = BOB, **fields: Any) -> None:
        """An invite for a user."""
        content = {"membership": "invite"}
        self.show(self.mail, **{"type": "m.room.member", "state_key": user_id, "content": content, **fields})

    def test_names_who_invites_where(self) -> None:
        self.told()
        (message,) = self.post.sent
        self.assertEqual(message.threepid, ThreePid("email", "bob@example.com"))
        self.assertEqual((message.recipient, message.sender, message.sender_name), (BOB, ALICE, "Alice"))
        self.assertEqual((message.room_id, message.room_name), (ROOM, "Spring"))

    def test_says_whether_it_is_a_space(self) -> None:
        self.told()
        self.room.state["m.room.create", ""] = {"type": "m.space"}
        self.told()
        erin = "@erin:elsewhere.example"
        for type_ in ("m.space", 7):
            create = {"type": "m.room.create", "state_key": "", "sender": erin, "content": {"type": type_}}
            self.told(sender=erin, unsigned={"invite_room_state": [create]})
        self.assertEqual([message.room_type for message in self.post.sent], ["", "m.space", "m.space", ""])

    def test_every_address_of_the_user(self) -> None:
        self.people.addresses[BOB].append(ThreePid("email", "robert@example.com"))
        self.told()
        self.assertEqual(
            [message.threepid.address for message in self.post.sent], ["bob@example.com", "robert@example.com"]
        )

    def test_a_sender_of_another_server_told_us_the_names_with_the_invite(self) -> None:
        erin = "@erin:elsewhere.example"
        told = [
            {"type": "m.room.name", "state_key": "", "sender": erin, "content": {"name": "Autumn"}},
            {"type": "m.room.member", "state_key": erin, "sender": erin, "content": {"displayname": "Erin"}},
        ]
        self.told(sender=erin, unsigned={"invite_room_state": told})
        (message,) = self.post.sent
        self.assertEqual((message.sender_name, message.room_name), ("Erin", "Autumn"))

    def test_names_are_not_needed(self) -> None:
        self.fake.refusal = lambda request: None
        self.fake.down = True
        for told in (None, [7], [{"type": "m.room.name", "content": {"name": 7}}]):
            self.told(unsigned={"invite_room_state": told})
        self.assertEqual({(message.sender_name, message.room_name) for message in self.post.sent}, {("", "")})
        self.assertEqual(len(self.post.sent), 3)

    def test_nobody_else_gets_mail(self) -> None:
        self.people.addresses["@carol:elsewhere.example"] = self.people.addresses[BOB]
        self.people.addresses[EXPIRY] = self.people.addresses[BOB]
        self.told("@carol:elsewhere.example")
        self.told(EXPIRY)
        self.told(MAIN)
        self.told("@nobody:example.org")
        self.assertEqual(self.post.sent, [])

    def test_what_is_no_news(self) -> None:
        self.told(content={"membership": "join"})
        self.told(content={"membership": "invite", "third_party_invite": {"signed": {}}})
        self.told(unsigned={"prev_content": {"membership": "invite"}})
        self.assertEqual(self.post.sent, [])

    def test_a_mail_server_that_is_away_is_tried_again(self) -> None:
        self.post.failures = [SendFailed(permanent=False, reason="421"), SendFailed(permanent=False, reason="421")]
        self.told()
        self.assertEqual(self.post.sent, [])
        self.clock.advance(RETRIES[0])
        self.clock.advance(RETRIES[1])
        self.assertEqual(len(self.post.sent), 1)

    def test_not_for_ever(self) -> None:
        self.post.failures = [SendFailed(permanent=False, reason="421")] * 5
        self.told()
        for delay in RETRIES:
            self.clock.advance(delay)
        self.assertEqual((self.post.sent, self.post.failures, self.clock.getDelayedCalls()), ([], [], []))

    def test_what_was_handed_over_without_an_answer_is_not_sent_again(self) -> None:
        self.post.failures = [SendFailed(permanent=False, reason="no answer", handed_over=True)]
        self.told()
        self.assertEqual((self.post.sent, self.clock.getDelayedCalls()), ([], []))

    def test_an_address_that_is_refused_is_not_tried_again(self) -> None:
        self.post.failures = [SendFailed(permanent=True, reason="550")]
        self.told()
        self.assertEqual((self.post.sent, self.clock.getDelayedCalls()), ([], []))
