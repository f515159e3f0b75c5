"""Who is known to be in a room that addresses were invited to."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mxisd.outbox.members import REMEMBERED, Members
from tests.make import ALICE, BOB, clock_at, result
from tests.storage.inline import storage_in_memory

ROOM = "!room:example.org"


class MembersTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = clock_at()
        self.cooldowns = storage_in_memory().cooldowns
        self.members = Members(self.cooldowns, self.clock, told=True)

    def has(self, user_id: str = BOB, room_id: str = ROOM) -> bool:
        return result(self.members.has(room_id, user_id))

    def test_who_comes_and_goes(self) -> None:
        result(self.members.watch(ROOM))
        self.assertFalse(self.has())
        for _ in range(2):
            result(self.members.saw(ROOM, BOB))
            self.assertTrue(self.has())
            self.assertFalse(self.has(ALICE))
            self.assertFalse(self.has(room_id="!other"))
        result(self.members.left(ROOM, BOB))
        self.assertFalse(self.has())
        result(self.members.saw(ROOM, BOB))
        self.assertTrue(self.has())

    def test_rooms_without_invites_are_not_watched(self) -> None:
        result(self.members.saw(ROOM, BOB))
        result(self.members.left(ROOM, BOB))
        result(self.members.watch(ROOM))
        self.assertFalse(self.has())

    def test_it_is_remembered_for_long_and_not_for_ever(self) -> None:
        result(self.members.watch(ROOM))
        result(self.members.saw(ROOM, BOB))
        self.clock.advance(REMEMBERED / 2000)
        result(self.members.watch(ROOM))
        result(self.members.saw(ROOM, ALICE))
        self.clock.advance(REMEMBERED / 2000)
        self.assertEqual((self.has(BOB), self.has(ALICE)), (False, True))
        result(self.members.saw(ROOM, BOB))
        self.assertTrue(self.has())

    def test_where_nobody_tells_nothing_is_kept(self) -> None:
        members = Members(self.cooldowns, self.clock, told=False)
        result(members.watch(ROOM))
        result(self.members.saw(ROOM, BOB))
        self.assertFalse(result(members.has(ROOM, BOB)))
        self.assertFalse(self.has())
