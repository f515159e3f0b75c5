"""The user that expired invites are given to leaves every room, and tidies up where that is possible."""

from __future__ import annotations

from mxisd.appservice.events import Event
from mxisd.appservice.expiry import LAST_RETRY, REASON, SWEEP, ExpiryUser
from tests.appservice.case import Case
from tests.appservice.homeserver import EXPIRY, MAIN, Refusal, Room
from tests.make import result

ROOM = "!room:example.org"


class ExpiryUserTests(Case):
    def start(self) -> ExpiryUser:
        user = ExpiryUser(self.homeserver, self.users, EXPIRY, MAIN, self.clock)
        user.startService()
        self.addCleanup(_stop, user)
        return user

    def tell(self, user: ExpiryUser, token: str | None = "token", room_id: str = ROOM) -> Room:
        """The homeserver invites the user, and says so."""
        event = self.fake.invite(room_id, EXPIRY, token)
        result(user.see(Event(**event)))
        return self.fake.rooms[room_id]

    def test_rejects_an_invite_at_once(self) -> None:
        room = self.tell(self.start())
        self.assertEqual(room.members[EXPIRY], "leave")
        self.assertEqual(room.reasons, [REASON])
        self.assertNotIn(f"POST /rooms/{ROOM}/join", self.fake.requests)

    def test_is_registered_before_the_first_invite(self) -> None:
        self.start()
        self.assertIn(EXPIRY, self.fake.registered)

    def test_may_be_registered_already(self) -> None:
        self.fake.registered.add(EXPIRY)
        self.assertEqual(self.tell(self.start()).members[EXPIRY], "leave")

    def test_empties_the_invite_in_a_room_where_the_bot_may(self) -> None:
        room = self.fake.room(ROOM, mxisd="join")
        room.powers[MAIN] = 50
        self.tell(self.start())
        self.assertEqual(room.state["m.room.third_party_invite", "token"], {})
        self.assertEqual(room.members[EXPIRY], "leave")

    def test_leaves_the_invite_in_a_room_where_the_bot_may_not(self) -> None:
        room = self.fake.room(ROOM, mxisd="join")
        self.tell(self.start())
        self.assertTrue(room.state["m.room.third_party_invite", "token"])
        self.assertEqual(room.members[EXPIRY], "leave")

    def test_several_invites_to_one_room(self) -> None:
        room = self.fake.room(ROOM, mxisd="join")
        room.powers[MAIN] = 50
        user = self.start()
        self.fake.down = True
        self.tell(user, "one")
        self.tell(user, "two")
        self.fake.down = False
        self.clock.advance(2)
        self.assertEqual(room.members[EXPIRY], "leave")
        for token in ("one", "two"):
            self.assertEqual(room.state["m.room.third_party_invite", token], {})

    def test_finds_what_came_while_nobody_listened(self) -> None:
        room = self.fake.room(ROOM, mxisd="join")
        room.powers[MAIN] = 50
        self.fake.invite(ROOM, EXPIRY, "token")
        self.start()
        self.assertEqual(room.members[EXPIRY], "leave")
        self.assertEqual(room.state["m.room.third_party_invite", "token"], {})

    def test_leaves_a_room_that_it_was_made_to_join(self) -> None:
        room = self.fake.room(ROOM)
        room.members[EXPIRY] = "join"
        self.start()
        self.assertEqual(room.members[EXPIRY], "leave")

    def test_leaves_a_room_as_soon_as_it_is_made_to_join(self) -> None:
        user = self.start()
        self.fake.room(ROOM).members[EXPIRY] = "join"
        self.show(user, type="m.room.member", state_key=EXPIRY, content={"membership": "join"})
        self.assertEqual(self.fake.rooms[ROOM].members[EXPIRY], "leave")

    def test_finds_what_was_missed_within_the_hour(self) -> None:
        self.start()
        self.fake.invite(ROOM, EXPIRY)
        self.clock.advance(SWEEP)
        self.assertEqual(self.fake.rooms[ROOM].members[EXPIRY], "leave")

    def test_waits_for_a_homeserver_that_is_down_at_the_start(self) -> None:
        self.fake.down = True
        self.fake.invite(ROOM, EXPIRY)
        self.start()
        for _ in range(3600):
            self.clock.advance(1)
        self.fake.down = False
        self.clock.advance(LAST_RETRY)
        self.assertEqual(self.fake.rooms[ROOM].members[EXPIRY], "leave")

    def test_tries_until_the_invite_is_gone(self) -> None:
        user = self.start()
        self.fake.refusal = lambda request: Refusal(502, "M_UNKNOWN") if request.endswith("/leave") else None
        room = self.tell(user)
        for _ in range(3600):
            self.clock.advance(1)
        self.assertEqual(room.members[EXPIRY], "invite")
        attempts = sum(request.endswith("/leave") for request in self.fake.requests)
        self.assertGreater(attempts, 10)
        self.assertLess(attempts, 30)
        self.fake.refusal = lambda request: None
        self.clock.advance(LAST_RETRY)
        self.assertEqual(room.members[EXPIRY], "leave")

    def test_a_restart_does_not_forget(self) -> None:
        user = self.start()
        self.fake.refusal = lambda request: Refusal(502, "M_UNKNOWN") if request.endswith("/leave") else None
        room = self.tell(user)
        user.stopService()
        self.fake.refusal = lambda request: None
        self.start()
        self.assertEqual(room.members[EXPIRY], "leave")

    def test_one_room_does_not_hold_up_the_others(self) -> None:
        user = self.start()
        self.fake.refusal = lambda request: Refusal(502, "M_UNKNOWN") if "!bad" in request else None
        bad = self.tell(user, room_id="!bad:elsewhere.example")
        good = self.tell(user, room_id="!good:example.org")
        self.assertEqual((bad.members[EXPIRY], good.members[EXPIRY]), ("invite", "leave"))

    def test_a_room_that_is_gone_is_not_tried_again(self) -> None:
        user = self.start()
        self.tell(user, room_id="!gone:example.org")
        self.fake.invite("!gone:example.org", EXPIRY)
        self.fake.refusal = lambda request: Refusal(404, "M_NOT_FOUND") if "!gone" in request else None
        self.fake.requests.clear()
        result(user.see(Event(**self.fake.invite("!gone:example.org", EXPIRY))))
        for _ in range(600):
            self.clock.advance(1)
        self.assertEqual(self.fake.requests, ["POST /rooms/!gone:example.org/leave"])

    def test_other_events_are_none_of_its_business(self) -> None:
        user = self.start()
        self.fake.requests.clear()
        for state_key, membership in (("@bob:example.org", "invite"), (EXPIRY, "leave")):
            self.show(user, type="m.room.member", state_key=state_key, content={"membership": membership})
        self.assertEqual(self.fake.requests, [])

    def test_a_wrong_token_is_tried_again(self) -> None:
        self.fake.refusal = lambda request: Refusal(401, "M_UNKNOWN_TOKEN")
        self.fake.invite(ROOM, EXPIRY)
        self.start()
        self.fake.refusal = lambda request: None
        self.clock.advance(1)
        self.assertEqual(self.fake.rooms[ROOM].members[EXPIRY], "leave")


def _stop(service: ExpiryUser) -> None:
    if service.running:
        service.stopService()
