"""The life of an invite, with mxisd as the application service of a real Synapse."""

from __future__ import annotations

import atexit
import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache, partial
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

from mxisd.outbox.members import Members
from mxisd.storage.archive import START, Cooldown
from mxisd.storage.records import Delivery, Invite
from mxisd.storage.sqlite import SQLiteStorage
from mxisd.storage.sqlite.schema import open_connection
from tests.integration.deployment import DOMAIN, Deployment
from tests.integration.gate import Gate
from tests.integration.mailbox import OK, text_of
from tests.integration.matrix_client import CLIENT, V1, MatrixClient, Refused, User
from tests.integration.process import eventually
from tests.integration.test_synapse import SynapseCase
from tests.make import clock_at, result
from tests.storage.inline import storage_of

MAIN = f"@mxisd:{DOMAIN}"
EXPIRY = f"@_mxisd_invite-expired:{DOMAIN}"
THIRD_PARTY_INVITE = "m.room.third_party_invite"


class People:
    """The database of an identity store, which a directory service would fill."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mxisd-people-")
        self.path = Path(self._folder.name) / "people.db"
        self._run("CREATE TABLE people (mxid TEXT, medium TEXT, address TEXT)")

    def add(self, user: User, address: str) -> None:
        self._run("INSERT INTO people VALUES (?, 'email', ?)", user.user_id, address)

    def _run(self, statement: str, *values: str) -> None:
        with sqlite3.connect(self.path) as connection:
            connection.execute(statement, values)
        connection.close()


class WithPeople(Deployment):
    """Invites are looked up every second, and expire after a minute."""

    def __init__(self) -> None:
        self.people = People()
        self.gate = Gate()
        super().__init__(
            application_service={
                "dns": {
                    "overwrite": {
                        "homeserver": {"federation": [{"name": DOMAIN, "value": f"http://127.0.0.1:{self.gate.port}"}]}
                    }
                },
                "invite": {"resolution": {"timer": 1, "period": "seconds"}, "expiration": {"after": 1}},
                "appsvc": {"feature": {"admin": {"allowedRoles": ["admins"]}, "inviteById": True}},
                "memory": {
                    "enabled": True,
                    "identities": [
                        *({"username": name, "roles": ["admins"]} for name in ("root", "root.again", "root.open")),
                        {"username": "walter", "threepids": [{"medium": "email", "address": "walter@example.org"}]},
                    ],
                },
                "sql": {
                    "enabled": True,
                    "connection": str(self.people.path),
                    "identity": {"query": "SELECT mxid AS uid FROM people WHERE medium = ? AND address = ?"},
                },
            }
        )
        self.gate.behind = self.synapse.port

    @contextmanager
    def storage(self) -> Iterator[SQLiteStorage]:
        """What mxisd keeps, seen by another process."""
        with closing(open_connection(self.folder / "mxisd" / "mxisd.db")) as connection:
            yield storage_of(connection)

    def stop_homeserver(self) -> None:
        self.synapse.stop()
        self.gate.close()

    def start_homeserver(self) -> None:
        self.synapse.start()
        self.gate.open()


@cache
def deployment() -> WithPeople:
    """The one of this run."""
    made = WithPeople()
    atexit.register(made.stop)
    return made


def memberships(user: User, room: str, member: str) -> list[str]:
    """What a member of a room was, the latest last, as a user sees it."""
    events = user.homeserver.get(f"{CLIENT}/rooms/{quote(room)}/messages", {"dir": "f", "limit": "1000"})["chunk"]
    return [
        event["content"]["membership"]
        for event in events
        if event["type"] == "m.room.member" and event["state_key"] == member
    ]


class Case(SynapseCase):
    here: WithPeople

    def setUp(self) -> None:
        self.here = deployment()

    def memberships(self, user: User, room: str, member: str) -> list[str]:
        return memberships(user, room, member)

    def third_party_invites(self, user: User, room: str) -> dict[str, Any]:
        """The contents of the invites of addresses, by their tokens."""
        state = user.homeserver.get(f"{CLIENT}/rooms/{quote(room)}/state")
        return {event["state_key"]: event["content"] for event in state if event["type"] == THIRD_PARTY_INVITE}

    def room_with_bot(self, user: User) -> str:
        """A new room, in which the bot has the power to change the state."""
        room = user.create_room()
        user.homeserver.post(f"{CLIENT}/rooms/{quote(room)}/invite", {"user_id": MAIN})
        eventually(lambda: self.memberships(user, room, MAIN)[-1] == "join")
        (levels,) = user.state(room, "m.room.power_levels")
        levels["users"][MAIN] = 50
        user.homeserver.put(f"{CLIENT}/rooms/{quote(room)}/state/m.room.power_levels", levels)
        return room

    def new_invite(self, address: str, sender: str) -> tuple[User, str]:
        """Who has invited an address, to which room; the mail has arrived."""
        user = self.here.user(sender)
        room = user.create_room()
        self.invite(user, room, address)
        self.here.mailbox.next_to(address)
        return user, room

    def bind_at_mxisd(self, user: User, address: str) -> None:
        """Bind without the homeserver, which may be down."""
        anybody = self.here.anybody()
        proof = self.validated(anybody, V1, address)
        anybody.post(f"{V1}/3pid/bind", {**proof, "mxid": user.user_id})

    def assert_invited_once_and_joins(self, inviter: User, room: str, user: User) -> None:
        eventually(lambda: self.memberships(inviter, room, user.user_id))
        user.homeserver.post(f"{CLIENT}/join/{quote(room)}")
        self.assertEqual(self.memberships(inviter, room, user.user_id), ["invite", "join"])


class EndTests(Case):
    def test_expired_invites_are_given_to_a_user_who_leaves(self) -> None:
        olivia = self.here.user("olivia")
        plain, tidied = olivia.create_room(), self.room_with_bot(olivia)
        self.invite(olivia, plain, "peggy@example.org")
        self.here.mailbox.next_to("peggy@example.org")
        for address in ("peggy@example.org", "quentin@example.org", "rupert@example.org"):
            self.invite(olivia, tidied, address)
            self.here.mailbox.next_to(address)
        for room in (plain, tidied):
            self.eventually_left(olivia, room)
        # Each invite that expired was one, and nobody ever joined.
        self.assertEqual(self.memberships(olivia, plain, EXPIRY), ["invite", "leave"])
        eventually(lambda: not any(self.third_party_invites(olivia, tidied).values()))
        self.assertEqual(len(self.third_party_invites(olivia, tidied)), 3)
        self.eventually_left(olivia, tidied)
        self.assertNotIn("join", self.memberships(olivia, tidied, EXPIRY))
        # Where the bot may not, clients go on to show the invite.
        (left,) = self.third_party_invites(olivia, plain).values()
        self.assertIn("public_keys", left)
        # What has expired is not given to anyone else.
        peggy = self.here.user("peggy")
        self.bind_at_mxisd(peggy, "peggy@example.org")
        self.assertEqual(self.memberships(olivia, plain, peggy.user_id), [])

    def eventually_left(self, user: User, room: str) -> None:
        eventually(lambda: self.memberships(user, room, EXPIRY)[-1:] == ["leave"])

    def test_an_address_that_appears_in_an_identity_store_is_resolved(self) -> None:
        sybil, room = self.new_invite("trent@example.org", "sybil")
        other = sybil.create_room()
        self.invite(sybil, other, "trent@example.org")
        trent = self.here.user("trent")
        self.here.people.add(trent, "trent@example.org")
        for each in (room, other):
            self.assert_invited_once_and_joins(sybil, each, trent)

    def test_an_invite_that_is_withdrawn_in_the_room_is_cancelled(self) -> None:
        ursula = self.here.user("ursula")
        room = self.room_with_bot(ursula)
        self.invite(ursula, room, "victor@example.org")
        ((token, _),) = self.third_party_invites(ursula, room).items()
        ursula.homeserver.put(f"{CLIENT}/rooms/{quote(room)}/state/{THIRD_PARTY_INVITE}/{token}")
        eventually(lambda: self.ended(token) == "cancelled")

    def test_who_joins_by_the_link_in_the_mail_has_accepted(self) -> None:
        wendy, room = self.new_invite("xaver@example.org", "wendy")
        xaver = self.here.user("xaver")
        ((token, _),) = self.third_party_invites(wendy, room).items()
        signing = {"mxid": xaver.user_id, "token": token, "private_key": self.stored(token).ephemeral_private_key}
        signed = self.here.anybody().post(f"{V1}/sign-ed25519", signing)
        xaver.homeserver.post(f"{CLIENT}/rooms/{quote(room)}/join", {"third_party_signed": signed})
        eventually(lambda: self.ended(token) == "accepted")
        self.bind_by_synapse(xaver, "xaver@example.org")
        self.assertEqual(self.memberships(wendy, room, xaver.user_id), ["invite", "join"])

    def test_who_was_invited_by_user_id_meanwhile_stays_a_member(self) -> None:
        yvonne, room = self.new_invite("zacharias@example.org", "yvonne")
        zacharias = self.here.user("zacharias")
        ((token, _),) = self.third_party_invites(yvonne, room).items()
        yvonne.homeserver.post(f"{CLIENT}/rooms/{quote(room)}/invite", {"user_id": zacharias.user_id})
        zacharias.homeserver.post(f"{CLIENT}/join/{quote(room)}")
        eventually(lambda: self.is_member(zacharias, room))
        self.bind_at_mxisd(zacharias, "zacharias@example.org")
        eventually(lambda: "abandoned" in self.onbinds(token))
        self.assertEqual(self.memberships(yvonne, room, zacharias.user_id), ["invite", "join"])

    def is_member(self, user: User, room: str) -> bool:
        """Whether mxisd has seen that."""
        with self.here.storage() as storage:
            seen = Members(storage.cooldowns, clock_at(round(time.time() * 1000)), told=True).has(room, user.user_id)
            return result(seen)

    def onbinds(self, token: str) -> list[str]:
        with self.here.storage() as storage:
            deliveries = result(storage.outbox.of_invite(token))
        return [each.state for each in deliveries if each.kind == "onbind"]

    def ended(self, token: str) -> str | None:
        return self.stored(token).ended

    def stored(self, token: str) -> Invite:
        with self.here.storage() as storage:
            invite = result(storage.invites.get(token))
        assert invite is not None
        return invite


class LossTests(Case):
    """Whatever dies in between: nothing is lost, and nobody is invited twice."""

    def tearDown(self) -> None:
        self.here.mailbox.answer = OK
        self.here.gate.answers = True

    def restart(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.here.mxisd.kill()
        meanwhile()
        self.here.mxisd.start()

    def test_killed_before_the_mail_was_sent(self) -> None:
        alba = self.here.user("alba")
        room = alba.create_room()
        self.here.mailbox.answer = ""  # none at all
        self.invite(alba, room, "bruno@example.org")
        self.restart()
        self.assertTrue(self.here.mailbox.is_empty("bruno@example.org"))
        self.here.mailbox.answer = OK
        self.here.mailbox.next_to("bruno@example.org")
        bruno = self.here.user("bruno")
        self.bind_by_synapse(bruno, "bruno@example.org")
        self.assert_invited_once_and_joins(alba, room, bruno)

    def test_killed_after_the_mail_was_sent(self) -> None:
        clara, room = self.new_invite("dario@example.org", "clara")
        self.restart()
        dario = self.here.user("dario")
        self.bind_by_synapse(dario, "dario@example.org")
        self.assert_invited_once_and_joins(clara, room, dario)
        self.assertTrue(self.here.mailbox.is_empty("dario@example.org"))

    def test_homeserver_down_while_the_address_is_bound(self) -> None:
        elena, room = self.new_invite("fabio@example.org", "elena")
        fabio = self.here.user("fabio")
        self.here.stop_homeserver()
        self.bind_at_mxisd(fabio, "fabio@example.org")
        self.here.start_homeserver()
        self.assert_invited_once_and_joins(elena, room, fabio)

    def test_killed_after_the_address_was_bound(self) -> None:
        greta, room = self.new_invite("hugo@example.org", "greta")
        hugo = self.here.user("hugo")
        self.here.stop_homeserver()
        self.bind_at_mxisd(hugo, "hugo@example.org")
        self.restart(meanwhile=self.here.start_homeserver)
        self.assert_invited_once_and_joins(greta, room, hugo)

    def test_killed_when_the_homeserver_had_acted_but_not_answered(self) -> None:
        ines, room = self.new_invite("jonas@example.org", "ines")
        jonas = self.here.user("jonas")
        self.here.gate.answers = False
        self.bind_at_mxisd(jonas, "jonas@example.org")
        eventually(lambda: self.memberships(ines, room, jonas.user_id))
        self.here.mxisd.kill()
        self.here.gate.answers = True
        self.here.mxisd.start()
        eventually(lambda: self.onbinds("jonas@example.org") == [(2, "done")])
        self.assert_invited_once_and_joins(ines, room, jonas)

    def test_killed_when_the_homeserver_had_not_acted(self) -> None:
        klaus, room = self.new_invite("lotte@example.org", "klaus")
        lotte = self.here.user("lotte")
        self.here.synapse.process.pause()
        try:
            self.bind_at_mxisd(lotte, "lotte@example.org")
            eventually(lambda: waits_to_be_read(self.here.synapse.port))
            self.here.mxisd.kill()
        finally:
            self.here.synapse.process.resume()
        self.here.mxisd.start()
        self.assert_invited_once_and_joins(klaus, room, lotte)
        eventually(lambda: self.onbinds("lotte@example.org") == [(2, "done")])

    def test_a_validation_that_was_cut_off_is_mailed_when_it_is_asked_for_again(self) -> None:
        for how, address in ((self.here.mxisd.stop, "stop@example.org"), (self.here.mxisd.kill, "kill@example.org")):
            asked = {"client_secret": "a.secret", "email": address, "send_attempt": 1}
            path = f"{V1}/validate/email/requestToken"
            self.here.mailbox.answer = ""  # none at all
            first = Thread(target=self.fails, args=(path, asked))
            first.start()
            eventually(self.sends_a_validation)
            how()
            self.here.mailbox.answer = OK
            self.here.mxisd.start()
            first.join()
            self.here.anybody().post(path, asked)
            self.here.mailbox.next_to(address)

    def fails(self, path: str, body: object) -> None:
        with contextlib.suppress(Refused, OSError, HTTPException, ValueError):
            self.here.anybody().post(path, body)
            self.fail("it was told that a message was sent")

    def sends_a_validation(self) -> bool:
        with self.here.storage() as storage:
            kept, _ = result(storage.archive.pack(Cooldown, START))
        return any(isinstance(each, Cooldown) and each.name.startswith("attempt ") for each in kept)

    def onbinds(self, address: str) -> list[tuple[int, str]]:
        """Of each delivery for an address, the attempts and the state."""
        with self.here.storage() as storage:
            kept, _ = result(storage.archive.pack(Delivery, START))
        deliveries = [each for each in kept if isinstance(each, Delivery)]
        return [
            (each.attempts, each.state)
            for each in deliveries
            if (each.kind, each.threepid.address) == ("onbind", address)
        ]


class BotTests(Case):
    def chat(self, user: User) -> str:
        """A direct chat with the bot, in which it is, or was."""
        room = str(
            user.homeserver.post(
                f"{CLIENT}/createRoom", {"preset": "trusted_private_chat", "is_direct": True, "invite": [MAIN]}
            )["room_id"]
        )
        eventually(lambda: self.memberships(user, room, MAIN)[-1] != "invite")
        return room

    def say(self, user: User, room: str, text: str) -> None:
        content = {"msgtype": "m.text", "body": text}
        user.homeserver.put(f"{CLIENT}/rooms/{quote(room)}/send/m.room.message/{quote(text, safe='')}", content)

    def heard(self, user: User, room: str) -> list[str]:
        """What the bot has said."""
        path = f"{CLIENT}/rooms/{quote(room)}/messages"
        chunk = user.homeserver.get(path, {"dir": "f", "limit": "1000"})["chunk"]
        return [
            event["content"]["body"] for event in chunk if event["type"] == "m.room.message" and event["sender"] == MAIN
        ]

    def test_administrators_are_answered_and_others_are_not(self) -> None:
        root, kim = self.here.user("root"), self.here.user("kim")
        chat = self.chat(root)
        self.say(root, chat, "!ping")
        eventually(lambda: self.heard(root, chat) == ["Pong!"])
        room = kim.create_room()
        self.invite(kim, room, "lars@example.org")
        ((token, _),) = self.third_party_invites(kim, room).items()
        self.say(root, chat, "!invite list")
        eventually(lambda: token in self.heard(root, chat)[-1])
        lars = self.here.user("lars")
        self.say(root, chat, f"!invite resolve {token} {lars.user_id}")
        self.assert_invited_once_and_joins(kim, room, lars)
        self.say(root, chat, f"!invite show {token}")
        eventually(lambda: "done, attempts: 1, last answer: 200" in self.heard(root, chat)[-1])
        self.assertEqual(self.memberships(kim, self.chat(kim), MAIN), ["invite", "leave"])

    def test_commands_after_the_homeserver_was_restarted(self) -> None:
        root = self.here.user("root.again")
        chat = self.chat(root)
        self.assert_answered(root, chat, "one", "two", "three", "four")
        # On SQLite, Synapse counts its transactions from 1 again, if none is left that was not answered.
        eventually(self.all_is_told)
        self.here.stop_homeserver()
        self.here.start_homeserver()
        self.assert_answered(root, chat, "five", "six")

    def all_is_told(self) -> bool:
        with closing(sqlite3.connect(self.here.folder / "synapse" / "homeserver.db")) as database:
            return database.execute("SELECT 1 FROM application_services_txns").fetchone() is None

    def assert_answered(self, user: User, chat: str, *commands: str) -> None:
        """One after the other, so that each comes in a transaction of its own."""
        for command in commands:
            before = len(self.heard(user, chat))
            self.say(user, chat, f"!{command}")
            eventually(partial(self.has_heard, user, chat, before + 1))

    def has_heard(self, user: User, chat: str, number: int) -> bool:
        return len(self.heard(user, chat)) == number

    def test_nothing_is_said_where_others_may_listen(self) -> None:
        root, nina = self.here.user("root.open"), self.here.user("nina")
        chats = {what: self.chat(root) for what in ("invited", "world_readable", "public")}
        root.homeserver.post(f"{CLIENT}/rooms/{quote(chats['invited'])}/invite", {"user_id": nina.user_id})
        for room, type_, content in (
            (chats["world_readable"], "history_visibility", {"history_visibility": "world_readable"}),
            (chats["public"], "join_rules", {"join_rule": "public"}),
        ):
            root.homeserver.put(f"{CLIENT}/rooms/{quote(room)}/state/m.room.{type_}", content)
        for room in chats.values():
            self.say(root, room, "!ping")
        self.say(root, last := self.chat(root), "!ping")
        eventually(lambda: self.heard(root, last) == ["Pong!"])
        self.assertEqual([self.heard(root, room) for room in chats.values()], [[], [], []])

    def test_people_are_told_from_users_of_ours_by_their_devices(self) -> None:
        olga = self.here.user("olga")
        ours = MatrixClient(self.here.url, self.here.ca_file, "as-token")
        with self.assertRaises(Refused) as refused:
            ours.post(f"{CLIENT}/register", {"type": "m.login.application_service", "username": "olga"})
        self.assertEqual(refused.exception.body["errcode"], "M_USER_IN_USE")
        # With a namespace that has everybody in it, Synapse lets us act as anybody.
        for user_id, attended in ((olga.user_id, True), (MAIN, False), (EXPIRY, False)):
            acting = {"user_id": user_id}
            self.assertEqual(ours.get(f"{CLIENT}/account/whoami", acting)["user_id"], user_id)
            self.assertEqual(bool(ours.get(f"{CLIENT}/devices", acting)["devices"]), attended)

    def test_mail_about_an_invite_by_user_id(self) -> None:
        mona, walter = self.here.user("mona"), self.here.user("walter")
        room = mona.create_room()
        mona.homeserver.put(f"{CLIENT}/profile/{quote(mona.user_id)}/displayname", {"displayname": "Mona Lisa"})
        mona.homeserver.post(f"{CLIENT}/rooms/{quote(room)}/invite", {"user_id": walter.user_id})
        text = text_of(self.here.mailbox.next_to("walter@example.org"))
        self.assertIn("Spring", text)
        self.assertIn("Mona Lisa", text)


def waits_to_be_read(port: int) -> bool:
    """Whether somebody sent something to a port of this machine that its server has not read yet."""
    connections = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(
        local.endswith(f":{port:04X}") and state == "01" and int(queues.partition(":")[2], 16) > 0
        for _, local, _, state, queues, *_ in connections
    )
