"""What tests of the application service have in common."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from mxisd.appservice.events import Event, Reaction
from mxisd.appservice.users import Users
from mxisd.clock import now
from mxisd.invites.lifecycle import InviteLifecycle
from mxisd.matrix.homeserver import Homeserver
from mxisd.matrix.threepid import ThreePid, email
from mxisd.storage.records import Invite
from tests.appservice.homeserver import EXPIRY, MAIN, TOKEN, FakeHomeserver
from tests.make import ALICE, clock_at, invite, result
from tests.storage.inline import storage_in_memory
from tests.web.app import Bell


class People:
    """What the identity stores say of users."""

    def __init__(self) -> None:
        self.of: dict[str, set[str]] = {}
        self.addresses: dict[str, list[ThreePid]] = {}

    async def roles(self, user_id: str) -> Collection[str]:
        return self.of.get(user_id, set())

    async def threepids(self, user_id: str) -> Collection[ThreePid]:
        return self.addresses.get(user_id, [])


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = clock_at()
        self.storage = storage_in_memory()
        self.fake = FakeHomeserver()
        self.homeserver = Homeserver(self.fake, "https://hs.example.org", TOKEN)
        self.users = Users(self.homeserver, {MAIN, EXPIRY})
        self.people = People()
        self.bell = Bell()
        self.lifecycle = InviteLifecycle(self.storage.invites, self.bell, self.clock, EXPIRY)

    def show(self, reaction: Reaction, **fields: Any) -> None:
        """Tell of an event; what it needs beside the given fields is made up."""
        event = {"type": "m.room.message", "room_id": "!room:example.org", "sender": "@alice:example.org"}
        result(reaction.see(Event(**{**event, "event_id": "$event", **fields})))

    def invite(self, token: str = "token", room_id: str = "!room:example.org") -> Invite:
        """A new pending invite."""
        kept = invite(email("bob@example.com"), token=token, room_id=room_id, sender=ALICE, created=now(self.clock))
        return result(self.storage.invites.add(kept, resend_before=0))

    def stored(self, token: str = "token") -> Invite:
        invite = result(self.storage.invites.get(token))
        assert invite is not None
        return invite
