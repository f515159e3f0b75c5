"""Invites to addresses that a store knows and hashed lookups do not, and by links in mails; on a real Synapse."""

from __future__ import annotations

import atexit
import json
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from unittest import skipUnless
from urllib.parse import quote

from mxisd.storage.records import Invite
from mxisd.storage.sqlite import SQLiteStorage
from mxisd.storage.sqlite.schema import open_connection
from tests.integration.deployment import DOMAIN, Deployment
from tests.integration.matrix_client import CLIENT, V1, User
from tests.integration.process import eventually
from tests.integration.test_invites import EXPIRY, People, memberships
from tests.integration.test_synapse import SynapseCase
from tests.make import result
from tests.servers.folder import folder
from tests.servers.slapd import ROOT, Slapd, available
from tests.storage.inline import storage_of
from tests.stores.api import Api

API = Path(__file__).parents[1] / "stores" / "api.py"


def person(name: str, address: str) -> dict[str, Any]:
    """Somebody as :mod:`tests.stores.api` has people."""
    return {"name": name, "user_id": f"@{name}:{DOMAIN}", "threepids": [("email", address)]}


class Backend:
    """An HTTP API of the administrator's, for the ``rest`` store."""

    def __init__(self, people: Sequence[Mapping[str, Any]]) -> None:
        api = Api(people)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = json.dumps(api.answer(self.path.rpartition("/")[2], asked)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002  # as inherited

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        Thread(target=server.serve_forever, daemon=True).start()


class WithStores(Deployment):
    """Each store knows somebody, and none can be listed but Synapse's database; invites expire after a minute."""

    def __init__(self) -> None:
        self.people = People()
        data = folder("exec") / "people.json"
        data.write_text(json.dumps([person("stores.exec", "exec@example.org")]))
        known = person("stores.rest", "rest@example.org")
        database = folder("homeserver") / "link.db"
        question = {
            "command": sys.executable,
            "args": ["-I", "-S", str(API), str(data), "single"],
            "input": {"type": "json"},
            "output": {"type": "json"},
        }
        sections: dict[str, Any] = {
            "invite": {"resolution": {"timer": 1, "period": "seconds"}, "expiration": {"after": 1}},
            "memory": {"enabled": True, "identities": [identity("memory"), identity("many"), identity("own")]},
            "sql": {
                "enabled": True,
                "connection": str(self.people.path),
                "identity": {"query": "SELECT mxid AS uid FROM people WHERE medium = ? AND address = ?"},
            },
            "synapseSql": {"enabled": True, "connection": str(database), "published": "all"},
            "exec": {"enabled": True, "identity": {"lookup": {"single": question}}},
            "rest": {"enabled": True, "host": Backend([known]).url},
        }
        if available():
            self.slapd = Slapd(
                f"dn: cn=1,ou=people,{ROOT}\nobjectClass: inetOrgPerson\ncn: 1\nsn: -\n"
                "uid: stores.ldap\nmail: ldap@example.org\n"
            )
            sections["ldap"] = {
                "enabled": True,
                "connection": {
                    "host": "127.0.0.1",
                    "port": self.slapd.port,
                    "bindDn": f"cn=reader,{ROOT}",
                    "bindPassword": "reader",
                    "baseDNs": [f"ou=people,{ROOT}"],
                },
                "attribute": {"uid": {"type": "uid", "value": "uid"}},
            }
        super().__init__(sections=sections)
        # Where Synapse has its database is known only now.
        database.symlink_to(self.folder / "synapse" / "homeserver.db")

    def stop(self) -> None:
        super().stop()
        if available():
            self.slapd.stop()

    def add_to_account(self, user: User, address: str) -> None:
        """As if the user had validated it at the homeserver."""
        with closing(sqlite3.connect(self.folder / "synapse" / "homeserver.db", timeout=60)) as database, database:
            database.execute("INSERT INTO user_threepids VALUES (?, 'email', ?, 1, 1)", (user.user_id, address))

    @contextmanager
    def storage(self) -> Iterator[SQLiteStorage]:
        """What mxisd keeps, seen by another process."""
        with closing(open_connection(self.folder / "mxisd" / "mxisd.db")) as connection:
            yield storage_of(connection)


def identity(name: str) -> dict[str, Any]:
    return {"username": f"stores.{name}", "threepids": [{"medium": "email", "address": f"{name}@example.org"}]}


@cache
def deployment() -> WithStores:
    """The one of this run."""
    made = WithStores()
    atexit.register(made.stop)
    return made


class Case(SynapseCase):
    here: WithStores

    def setUp(self) -> None:
        self.here = deployment()

    def invites(self, room: str) -> list[Invite]:
        """All invites into a room, ended or not."""
        with self.here.storage() as storage:
            pages = [result(storage.invites.page(ended=ended, offset=0, limit=999)) for ended in (False, True)]
        return [invite for page in pages for invite in page if invite.room_id == room]


class StoreTests(Case):
    def assert_works(self, inviter: User, invitee: User, address: str, kept: str | None = None) -> None:
        """The first invite goes by the address, and later ones by the user ID that is found then."""
        self.assertIsNone(inviter.lookup(address))
        room = inviter.create_room()
        self.invite(inviter, room, address)
        eventually(lambda: room in invitee.rooms("invite"))
        self.assertEqual(memberships(inviter, room, invitee.user_id), ["invite"])
        invitee.homeserver.post(f"{CLIENT}/join/{quote(room)}")
        self.assertEqual(memberships(inviter, room, invitee.user_id), ["invite", "join"])
        self.assertEqual([each.ended for each in self.invites(room)], ["resolved"])
        if kept is None:
            self.assertEqual(inviter.lookup(address), invitee.user_id)
            second = inviter.create_room()
            self.invite(inviter, second, address)
            self.assertIn(second, invitee.rooms("invite"))
            self.assertEqual(self.invites(second), [])
        self.assertTrue(self.here.mailbox.is_empty(address))

    def assert_store_works(self, store: str) -> None:
        inviter, invitee = self.here.user(f"inviter.{store}"), self.here.user(f"stores.{store}")
        self.assert_works(inviter, invitee, f"{store}@example.org")

    def test_memory_without_hash_enabled(self) -> None:
        self.assert_store_works("memory")

    def test_exec(self) -> None:
        self.assert_store_works("exec")

    def test_rest(self) -> None:
        self.assert_store_works("rest")

    @skipUnless(available(), "OpenLDAP is not installed")
    def test_ldap_without_lookup(self) -> None:
        self.assert_store_works("ldap")

    def test_sql_without_a_query_that_lists(self) -> None:
        inviter, invitee = self.here.user("inviter.sql"), self.here.user("stores.sql")
        self.here.people.add(invitee, "sql@example.org")
        self.assert_works(inviter, invitee, "sql@example.org")

    def test_synapse_sql_since_the_last_refresh(self) -> None:
        inviter, invitee = self.here.user("inviter.synapse"), self.here.user("stores.synapse")
        self.here.add_to_account(invitee, "synapse@example.org")
        self.assert_works(inviter, invitee, "synapse@example.org")

    def test_an_address_that_is_bound_in_another_spelling(self) -> None:
        inviter, invitee = self.here.user("inviter.spelling"), self.here.user("stores.spelling")
        self.bind_by_synapse(invitee, "spelling@example.org")
        self.assert_works(inviter, invitee, "Spelling@Example.org", kept="bound")

    def test_into_several_rooms_at_the_same_time(self) -> None:
        inviter, invitee = self.here.user("inviter.many"), self.here.user("stores.many")
        rooms = [inviter.create_room() for _ in range(5)]
        with ThreadPoolExecutor(len(rooms)) as threads:
            list(threads.map(lambda room: self.invite(inviter, room, "many@example.org"), rooms))
        eventually(lambda: set(rooms) <= set(invitee.rooms("invite")))

    def test_who_invites_an_own_address_stays_a_member(self) -> None:
        inviter = self.here.user("stores.own")
        room = inviter.create_room()
        self.invite(inviter, room, "own@example.org")
        self.assertEqual([each.ended for each in self.invites(room)], ["accepted"])
        self.assertEqual(memberships(inviter, room, inviter.user_id), ["join"])

    def test_the_start_says_whom_hashes_do_not_find(self) -> None:
        for key in ("memory.hashEnabled", "sql.lookup.query", "rest.endpoints.identity", "exec.identity.hashEnabled"):
            self.assertIn(f"{key}: hashed lookups", self.here.mxisd.log)
        self.assertNotIn("synapseSql: hashed", self.here.mxisd.log)


class LinkTests(Case):
    """Whoever joins by the link in the mail stays a member."""

    def joined(self, name: str) -> tuple[User, User, str, str]:
        """An inviter, a member who came by the link, the room, and the address."""
        inviter, member, address = self.here.user(f"{name}.inviter"), self.here.user(name), f"{name}@example.org"
        room = inviter.create_room()
        self.invite(inviter, room, address)
        self.here.mailbox.next_to(address)
        (invite,) = self.invites(room)
        signing = {"mxid": member.user_id, "token": invite.token, "private_key": invite.ephemeral_private_key}
        signed = self.here.anybody().post(f"{V1}/sign-ed25519", signing)
        member.homeserver.post(f"{CLIENT}/rooms/{quote(room)}/join", {"third_party_signed": signed})
        self.assertEqual(memberships(inviter, room, member.user_id), ["invite", "join"])
        return inviter, member, room, address

    def assert_stays(self, inviter: User, member: User, room: str) -> None:
        (invite,) = self.invites(room)
        self.assertEqual((invite.ended, invite.user_id), ("accepted", member.user_id))
        with self.here.storage() as storage:
            deliveries = result(storage.outbox.of_invite(invite.token))
        self.assertEqual([each.kind for each in deliveries if each.kind == "onbind"], [])
        self.assertEqual(memberships(inviter, room, member.user_id), ["invite", "join"])

    def test_who_binds_the_address_then(self) -> None:
        inviter, member, room, address = self.joined("binds")
        self.bind_by_synapse(member, address)
        self.assert_stays(inviter, member, room)

    def test_whose_address_a_store_knows_then(self) -> None:
        inviter, member, room, address = self.joined("appears")
        self.here.people.add(member, address)
        eventually(lambda: self.invites(room)[0].ended)
        self.assert_stays(inviter, member, room)

    def test_whose_invite_would_expire(self) -> None:
        inviter, _, room, _ = self.joined("expires")
        # Another one, that nobody takes, shows when that is.
        self.invite(inviter, room, "nobody@example.org")
        eventually(lambda: "expired" in [each.ended for each in self.invites(room)])
        signed = [each for each in self.invites(room) if each.signed_by]
        self.assertEqual([each.ended for each in signed], [None])
        eventually(lambda: memberships(inviter, room, EXPIRY))
        self.assertEqual(memberships(inviter, room, EXPIRY), ["invite"])

    def test_and_another_who_has_the_address_is_invited(self) -> None:
        inviter, member, room, address = self.joined("lends")
        owner = self.here.user("owner")
        self.bind_by_synapse(owner, address)
        eventually(lambda: memberships(inviter, room, owner.user_id) == ["invite"])
        self.assertEqual(memberships(inviter, room, member.user_id), ["invite", "join"])
