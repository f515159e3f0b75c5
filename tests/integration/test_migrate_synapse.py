"""Invites that old servers took, in rooms of a real Synapse, after the move."""

from __future__ import annotations

import atexit
from functools import cache
from typing import Any
from urllib.parse import quote

from tests.cli.command import mxisd
from tests.integration.deployment import Deployment
from tests.integration.mailbox import Mailbox
from tests.integration.matrix_client import CLIENT, V1, MatrixClient, Refused, User
from tests.integration.process import eventually, free_port
from tests.integration.sydent import Sydent
from tests.integration.test_synapse import SynapseCase
from tests.migrate.old_servers import OldServer

BOUND, SIGNED = "pending@people.example", "old@people.example"
BOUND_AT_SYDENT, SIGNED_AT_SYDENT = "bound@people.example", "signed@people.example"
KEY = f"ed25519 sydent {'A' * 43}"


class Moved(Deployment):
    """A Synapse whose identity servers were a ma1sd and a Sydent: each invited two addresses to rooms of ``alice``."""

    def __init__(self) -> None:
        super().__init__()
        self.alice = self.user("alice")
        self.rooms: dict[str, str] = {}
        self.accepting: dict[str, dict[str, str]] = {}
        """What whoever got the mail can have signed, by address."""
        self._invite_by_ma1sd()
        self._invite_by_sydent()
        self.mxisd.stop()
        for source in (self._ma1sd.config, self._sydent.config):
            folder = self.folder / "mxisd"
            target = str(folder / "mxisd.yaml")
            done = mxisd("migrate", "--from", str(source), "--to", target, "--yes", "--keep-for", "7d", folder=folder)
            assert (done.code, done.err) == (0, ""), done.err + done.out
        self.mxisd.start()

    def _invite_by_ma1sd(self) -> None:
        """As it answered, and kept it; but for the room, and for whoever invites."""
        self._ma1sd = OldServer("ma1sd-sqlite", self.folder)
        for address in (BOUND, SIGNED):
            given = next(given for given in self._ma1sd.facts["invites"] if given["address"] == address)
            room, answer = self.alice.create_room(), given["answer"]
            url = f"{self.url}{V1}/pubkey/isvalid"
            self._put(room, address, answer | {"public_keys": [answer["public_keys"][0] | {"key_validity_url": url}]})
            self.accepting[address] = {"token": answer["token"], "private_key": given["private_key"]}
            self._ma1sd.change(
                f"UPDATE invite_3pid SET roomId = '{room}', sender = '{self.alice.user_id}'"  # noqa: S608
                f" WHERE token = '{answer['token']}'"
            )

    def _invite_by_sydent(self) -> None:
        mailbox = Mailbox()
        options = {"http": {"client_http_base": self.url}, "crypto": {"ed25519.signingkey": KEY}}
        self._sydent = Sydent(self.folder / "sydent", free_port(), mailbox, options)
        for address in (BOUND_AT_SYDENT, SIGNED_AT_SYDENT):
            room = self.alice.create_room()
            asked = {"medium": "email", "address": address, "room_id": room, "sender": self.alice.user_id}
            self._put(room, address, MatrixClient(self._sydent.url).post(f"{V1}/store-invite", asked))
            token, private_key = mailbox.next_to(address).get_content().split()
            self.accepting[address] = {"token": token, "private_key": private_key}
        self._sydent.stop()
        mailbox.stop()

    def _put(self, room: str, address: str, answer: Any) -> None:
        """The event that Synapse makes of an identity server's answer."""
        first = answer["public_keys"][0]
        content = {name: answer[name] for name in ("display_name", "public_keys")} | first
        event = f"m.room.third_party_invite/{quote(answer['token'])}"
        self.alice.homeserver.put(f"{CLIENT}/rooms/{quote(room)}/state/{event}", content)
        self.rooms[address] = room


@cache
def deployment() -> Moved:
    """The one of this run."""
    made = Moved()
    atexit.register(made.stop)
    return made


class MovedTests(SynapseCase):
    here: Moved

    def setUp(self) -> None:
        self.here = deployment()

    def members(self, room: str, user: User) -> list[str]:
        """What a user was in a room, the latest last."""
        events = self.here.alice.homeserver.get(f"{CLIENT}/rooms/{quote(room)}/messages", {"dir": "f", "limit": "100"})
        return [
            event["content"]["membership"]
            for event in events["chunk"]
            if event["type"] == "m.room.member" and event["state_key"] == user.user_id
        ]

    def test_a_pending_invite_becomes_one_into_the_room(self) -> None:
        for name, address in (("bob", BOUND), ("dave", BOUND_AT_SYDENT)):
            user, room = self.here.user(name), self.here.rooms[address]
            self.bind_by_synapse(user, address)
            eventually(lambda user=user, room=room: self.members(room, user))  # type: ignore[misc]
            user.homeserver.post(f"{CLIENT}/join/{quote(room)}")
            self.assertEqual(self.members(room, user), ["invite", "join"])

    def test_what_was_mailed_is_accepted(self) -> None:
        for name, address in (("carol", SIGNED), ("erin", SIGNED_AT_SYDENT)):
            user, room = self.here.user(name), self.here.rooms[address]
            with self.assertRaises(Refused):
                user.homeserver.post(f"{CLIENT}/join/{quote(room)}")
            asked = {"mxid": user.user_id, **self.here.accepting[address]}
            signed = self.here.anybody().post(f"{V1}/sign-ed25519", asked)
            user.homeserver.post(f"{CLIENT}/join/{quote(room)}", {"third_party_signed": signed})
            self.assertEqual(self.members(room, user), ["invite", "join"])
