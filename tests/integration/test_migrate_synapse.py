"""Invites that an old server took, in rooms of a real Synapse, after the move."""

from __future__ import annotations

import atexit
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.cli.command import mxisd
from tests.integration.deployment import Deployment
from tests.integration.matrix_client import CLIENT, V1, Refused, User
from tests.integration.process import eventually
from tests.integration.test_synapse import SynapseCase
from tests.migrate.old_servers import OldServer

BOUND, SIGNED = "pending@people.example", "old@people.example"


class Moved(Deployment):
    """A Synapse whose identity server was a ma1sd, which invited two addresses to rooms of ``alice``."""

    def __init__(self) -> None:
        super().__init__()
        self.old = OldServer("ma1sd-sqlite", self.folder)
        self.alice = self.user("alice")
        self.rooms = {address: self._room(address) for address in (BOUND, SIGNED)}
        self.mxisd.stop()
        folder = self.folder / "mxisd"
        done = self._migrate(folder)
        assert (done.code, done.err) == (0, ""), done.out
        self.mxisd.start()

    def fact(self, address: str) -> Any:
        """The first invite of an address."""
        return next(given for given in self.old.facts["invites"] if given["address"] == address)

    def _room(self, address: str) -> str:
        """A room that the address was invited into, as Synapse had it from the old server, and as that kept it."""
        room, answer = self.alice.create_room(), self.fact(address)["answer"]
        url = f"{self.url}{V1}/pubkey/isvalid"
        content = {
            "display_name": answer["display_name"],
            "public_key": answer["public_keys"][0]["public_key"],
            "key_validity_url": url,
            "public_keys": [each | {"key_validity_url": url} for each in answer["public_keys"]],
        }
        event = f"m.room.third_party_invite/{quote(answer['token'])}"
        self.alice.homeserver.put(f"{CLIENT}/rooms/{quote(room)}/state/{event}", content)
        self.old.change(
            f"UPDATE invite_3pid SET roomId = '{room}', sender = '{self.alice.user_id}'"  # noqa: S608
            f" WHERE token = '{answer['token']}'"
        )
        return room

    def _migrate(self, folder: Path) -> Any:
        source, target = str(self.old.config), str(folder / "mxisd.yaml")
        return mxisd("migrate", "--from", source, "--to", target, "--yes", "--keep-for", "7d", folder=folder)


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
        bob, room = self.here.user("bob"), self.here.rooms[BOUND]
        self.bind_by_synapse(bob, BOUND)
        eventually(lambda: self.members(room, bob))
        bob.homeserver.post(f"{CLIENT}/join/{quote(room)}")
        self.assertEqual(self.members(room, bob), ["invite", "join"])

    def test_what_was_mailed_is_accepted(self) -> None:
        carol, given = self.here.user("carol"), self.here.fact(SIGNED)
        room = self.here.rooms[SIGNED]
        asked = {"mxid": carol.user_id, "token": given["answer"]["token"], "private_key": given["private_key"]}
        with self.assertRaises(Refused):
            carol.homeserver.post(f"{CLIENT}/join/{quote(room)}")
        signed = self.here.anybody().post(f"{V1}/sign-ed25519", asked)
        carol.homeserver.post(f"{CLIENT}/join/{quote(room)}", {"third_party_signed": signed})
        self.assertEqual(self.members(room, carol), ["invite", "join"])
