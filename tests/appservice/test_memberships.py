"""Invites end when the application service sees that they were accepted, and members are not invited again."""

from __future__ import annotations

from typing import Any

from mxisd.appservice.memberships import Memberships
from mxisd.outbox.members import Members
from tests.appservice.case import Case
from tests.appservice.homeserver import EXPIRY
from tests.make import BOB, result

ROOM = "!room:example.org"


def of_token(token: object, **more: Any) -> dict[str, Any]:
    return {"third_party_invite": {"display_name": "b…", "signed": {"mxid": BOB, "token": token}}, **more}


class MembershipTests(Case):
    def setUp(self) -> None:
        super().setUp()
        self.members = Members(self.storage.cooldowns, self.clock, told=True)
        self.memberships = Memberships(self.storage.invites, self.lifecycle, self.members, {EXPIRY})
        result(self.members.watch(ROOM))
        self.invite()

    def tell(self, content: dict[str, Any], user_id: str | None = BOB, room_id: str = ROOM, **fields: Any) -> None:
        fields = {"type": "m.room.member", "state_key": user_id, "room_id": room_id, "content": content, **fields}
        self.show(self.memberships, **fields)

    def has_bob(self) -> bool:
        return result(self.members.has(ROOM, BOB))

    def test_an_invite_by_the_token_means_that_it_was_accepted(self) -> None:
        self.tell(of_token("token", membership="invite"))
        self.assertEqual((self.stored().ended, self.stored().user_id), ("accepted", BOB))
        self.assertEqual(self.bell.rung, 0)
        self.assertTrue(self.has_bob())

    def test_a_join_says_so_by_what_was_before_it(self) -> None:
        result(self.storage.invites.sign("token", BOB, 1, 9))
        before = {"prev_content": of_token("token", membership="invite")}
        self.tell({"membership": "join"}, unsigned=before)
        self.assertEqual(self.stored().ended, "accepted")

    def test_whoever_has_signed_nothing_cannot_end_it_by_joining(self) -> None:
        for content, unsigned in (
            (of_token("token", membership="join"), {}),
            ({"membership": "join"}, {"prev_content": of_token("token", membership="leave")}),
        ):
            self.tell(content, unsigned=unsigned)
            self.assertIsNone(self.stored().ended)
        result(self.storage.invites.sign("token", BOB, 1, 9))
        self.tell(of_token("token", membership="join"))
        self.assertEqual(self.stored().ended, "accepted")

    def test_other_rooms_and_tokens_are_no_concern(self) -> None:
        self.tell(of_token("token", membership="invite"), room_id="!other:example.org")
        self.tell(of_token("other", membership="invite"))
        self.tell(of_token("token", membership="invite"), type="m.room.message")
        self.tell(of_token("token", membership="invite"), user_id=None)
        self.tell(of_token("token", membership="leave"))
        self.tell(of_token("token", membership=["invite"]))
        odd: list[Any] = [7, None, ["token"], {}, "signed", {"signed": 7}]
        for each in odd:
            self.tell(of_token(each, membership="invite"))
            self.tell({"membership": "invite", "third_party_invite": each})
        self.tell({"membership": "join"}, unsigned={"prev_content": 7})
        self.assertIsNone(self.stored().ended)

    def test_what_has_ended_stays_as_it_ended(self) -> None:
        result(self.lifecycle.resolve("token", BOB))
        self.tell(of_token("token", membership="invite"))
        self.assertEqual(self.stored().ended, "resolved")

    def test_users_of_ours_may_be_invited_again_and_again(self) -> None:
        self.tell(of_token("token", membership="invite"), user_id=EXPIRY)
        self.assertIsNone(self.stored().ended)
        self.assertFalse(result(self.members.has(ROOM, EXPIRY)))

    def test_who_was_invited_by_user_id_or_has_joined_is_known(self) -> None:
        for came, went in (("invite", "leave"), ("join", "ban")):
            self.tell({"membership": came})
            self.assertTrue(self.has_bob())
            self.assertIsNone(self.stored().ended)
            self.tell({"membership": "knock"})
            self.assertTrue(self.has_bob())
            self.tell({"membership": went})
            self.assertFalse(self.has_bob())
