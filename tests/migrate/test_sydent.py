"""What comes from Sydent: rows that its API makes only after weeks, or with peers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from msgspec import json

from mxisd.clock import DAY
from mxisd.matrix.signing import Signer, verify
from mxisd.matrix.threepid import email
from mxisd.migrate.sydent import SydentServer, SydentSettings
from mxisd.migrate.tables import SQLiteTables
from mxisd.storage.archive import AcceptedTerms, AccessToken
from mxisd.storage.records import Binding, Delivery, Invite, Session
from tests.make import SIGNING_KEY
from tests.migrate.case import THEN, MoveCase

# The tables of Sydent 2.6, and of nothing else.
SCHEMA = """
CREATE TABLE local_threepid_associations (id INTEGER PRIMARY KEY, medium, address, mxid, ts, notBefore, notAfter);
CREATE TABLE global_threepid_associations (
    id INTEGER PRIMARY KEY, medium, address, mxid, ts, notBefore, notAfter, originServer, originId, sgAssoc
);
CREATE TABLE invite_tokens (
    id INTEGER PRIMARY KEY, medium, address, room_id, sender, token, received_ts, sent_ts
);
CREATE TABLE ephemeral_public_keys (id INTEGER PRIMARY KEY, public_key, verify_count, persistence_ts);
CREATE TABLE hashing_metadata (id INTEGER PRIMARY KEY, lookup_pepper);
CREATE TABLE accounts (user_id, created_ts, consent_version);
CREATE TABLE tokens (token, user_id);
CREATE TABLE accepted_terms_urls (user_id, url);
CREATE TABLE threepid_validation_sessions (id INTEGER PRIMARY KEY, medium, address, clientSecret, validated, mtime);
CREATE TABLE threepid_token_auths (id INTEGER PRIMARY KEY, validationSession, token, sendAttemptNumber);
"""
SECONDS = THEN // 1000
FOR_EVER = THEN * 2


class SydentTests(MoveCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.folder / "sydent.db"
        with closing(sqlite3.connect(self.path)) as database:
            database.executescript(SCHEMA)

    def insert(self, table: str, **values: Any) -> None:
        with closing(sqlite3.connect(self.path)) as database:
            marks = ", ".join(f":{name}" for name in values)
            database.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", values)  # noqa: S608
            database.commit()

    def local(
        self, address: str, user_id: str | None, ts: int, not_after: int = FOR_EVER, medium: str = "email"
    ) -> None:
        times = {"ts": ts, "notBefore": ts, "notAfter": not_after} if user_id else {"ts": ts}
        self.insert("local_threepid_associations", medium=medium, address=address, mxid=user_id, **times)

    def from_peer(self, address: str, user_id: str, ts: int, medium: str = "email") -> None:
        given = {"medium": medium, "address": address, "mxid": user_id, "ts": ts, "notBefore": ts, "notAfter": FOR_EVER}
        signed = json.encode({"address": address, "mxid": user_id, "signatures": {"vector.im": {}}}).decode()
        self.insert("global_threepid_associations", **given, originServer="vector.im", originId=ts, sgAssoc=signed)

    def token(self, token: str, received: int | None, *, key: str | None = None, **changes: Any) -> None:
        given = {
            "medium": "email",
            "address": "new@example.org",
            "room_id": "!r:example.org",
            "sender": "@a:example.org",
        }
        if key is not None:
            self.insert("ephemeral_public_keys", public_key=key, persistence_ts=received)
        self.insert("invite_tokens", **{**given, **changes}, token=token, received_ts=received)

    def server(self, **settings: Any) -> SydentServer:
        server = SydentServer(SQLiteTables(self.path), SydentSettings(keys=[SIGNING_KEY], **settings))
        self.addCleanup(server.close)
        return server

    def bound(self) -> dict[str, str]:
        return {binding.threepid.address: binding.user_id for binding in self.all(Binding)}

    def test_the_newest_association_counts(self) -> None:
        self.local("Local@example.org", "@local:example.org", 5)
        self.local("removed@example.org", None, 5)
        self.from_peer("removed@example.org", "@before:example.org", 4)
        self.local("moved@example.org", "@ours:example.org", 5)
        self.from_peer("moved@example.org", "@theirs:example.org", 6)
        self.from_peer("Peer@example.org", "@peer:example.org", 5)
        self.from_peer("peer@example.org", "@peer.again:example.org", 7)
        self.local("over@example.org", "@over:example.org", 5, not_after=THEN)
        self.local("447700900001", "@phone:example.org", 5, medium="msisdn")
        self.local("nowhere", "@none:example.org", 5)
        self.local("nobody@example.org", "nobody", 5)
        plan = self.move(self.server())
        self.assertEqual(
            self.bound(),
            {
                "local@example.org": "@local:example.org",
                "moved@example.org": "@theirs:example.org",
                "peer@example.org": "@peer.again:example.org",
                "447700900001": "@phone:example.org",
            },
        )
        self.assertEqual(
            self.left(plan),
            {
                "Binding: a later one of the same address took its place": 3,
                "Binding: it is not valid any more": 1,
                "Binding: the address is none by the rules of today": 1,
                "Binding: the user ID is none": 1,
            },
        )

    def test_associations_are_signed_by_who_made_them(self) -> None:
        self.local("local@example.org", "@local:example.org", 5)
        self.from_peer("peer@example.org", "@peer:example.org", 5)
        self.move(self.server())
        signed = {binding.threepid.address: json.decode(binding.signed) for binding in self.all(Binding)}
        self.assertEqual(list(signed["peer@example.org"]["signatures"]), ["vector.im"])
        local = signed["local@example.org"]
        self.assertEqual((local["ts"], local["not_before"], local["not_after"]), (5, 5, FOR_EVER))
        key = Signer("", [SIGNING_KEY]).public_key("ed25519:0")
        self.assertTrue(verify(local, "matrix.example.org", "ed25519:0", key or ""))

    def test_each_invite_has_its_key(self) -> None:
        keys = [f"{letter * 42}A" for letter in "abcdefg"]
        self.token("gone", SECONDS - 50, key=keys[0])
        self.token("first", SECONDS - 40, key=keys[1], room_id="!1")
        self.insert("ephemeral_public_keys", public_key=keys[2], persistence_ts=SECONDS - 30)  # of one that was deleted
        self.insert("ephemeral_public_keys", public_key=keys[3].replace("d", "-"), persistence_ts=SECONDS - 21)
        self.token("second", SECONDS - 20, room_id="!2")
        self.token("third", SECONDS - 20, key=keys[4], room_id="!3")
        self.token("without", None, room_id="!4")
        self.move(self.server())
        found = {invite.token: invite.ephemeral_public_key for invite in self.all(Invite)}
        self.assertEqual(found["gone"], keys[0])
        self.assertEqual(found["first"], keys[1])
        self.assertEqual(found["second"], keys[3].replace("d", "+"))
        self.assertEqual(found["third"], keys[4])
        self.assertNotIn(found["without"], keys)
        self.assertEqual({invite.only_key for invite in self.all(Invite)}, {None})

    def test_of_several_into_one_room_the_newest_is_pending(self) -> None:
        for number in range(3):
            self.token(str(number), SECONDS - 9 + number, key=f"{number}" * 42 + "A")
        plan = self.move(self.server())
        self.assertEqual((plan.pending, plan.superseded, plan.without_key), (1, 2, 1))
        self.assertEqual({i.token: i.ended for i in self.all(Invite)}, {"0": "cancelled", "1": "cancelled", "2": None})

    def test_what_was_bound_and_not_taken(self) -> None:
        self.local("new@example.org", "@new:example.net", 5)
        self.token("taken", SECONDS - 9, sent_ts=SECONDS - 5)
        self.token("nobodys", SECONDS - 9, address="gone@example.org", sent_ts=SECONDS - 5)
        server = self.server(deletes_tokens=True)
        plan = self.move(server)
        self.assertEqual(self.left(plan), {"Delivery: the address is bound to nobody any more": 1})
        ended = {invite.token: (invite.ended, invite.ended_at, invite.user_id) for invite in self.all(Invite)}
        self.assertEqual(ended["taken"], ("bound", (SECONDS - 5) * 1000, "@new:example.net"))
        self.assertEqual(ended["nobodys"], ("bound", (SECONDS - 5) * 1000, None))
        self.move(server, retry_failed=True)
        (delivery,) = self.all(Delivery)
        self.assertEqual((delivery.state, delivery.destination, delivery.token), ("queued", "example.net", "taken"))

    def test_whether_it_was_taken_may_not_be_known(self) -> None:
        self.local("new@example.org", "@new:example.net", 5)
        self.token("taken", SECONDS - 9, sent_ts=SECONDS - 5)
        plan = self.move(self.server())
        self.assertEqual(self.left(plan), {"Delivery: whether the homeserver has taken it was not written down": 1})

    def test_accounts_and_sessions(self) -> None:
        self.insert("accounts", user_id="@a:example.org", created_ts=7, consent_version="1")
        for user_id in ("@a:example.org", "@b:example.org", "c"):
            self.insert("tokens", token=f"token of {user_id}", user_id=user_id)
        self.insert("accepted_terms_urls", user_id="@a:example.org", url=b"https://example.org/")
        for sid, mtime in ((1, THEN - DAY), (2, THEN - DAY + 1)):
            given = {"medium": "email", "address": "a@example.org", "clientSecret": "s"}
            self.insert("threepid_validation_sessions", id=sid, **given, validated=sid, mtime=mtime)
        self.insert("threepid_validation_sessions", id=3, **{**given, "clientSecret": "s p"}, mtime=THEN)
        plan = self.move(self.server(terms_version="1"))
        self.assertEqual(
            {token.user_id: token.created for token in self.all(AccessToken)},
            {"@a:example.org": 7, "@b:example.org": THEN},
        )
        self.assertEqual([terms.url for terms in self.all(AcceptedTerms)], ["https://example.org/"])
        (session,) = self.all(Session)
        self.assertEqual(
            (session.sid, session.threepid, session.validated_at), ("2", email("a@example.org"), THEN - DAY + 1)
        )
        self.assertEqual(
            self.left(plan),
            {
                "AccessToken: the user ID is none": 1,
                "Session: it is over: more than a day old": 1,
                "Session: its client secret is none by the rules of today": 1,
            },
        )

    def test_a_database_alone(self) -> None:
        key = self.folder / "key"
        key.write_text(f"ed25519 0 {'A' * 43}\n")
        self.insert("hashing_metadata", lookup_pepper="matrixrocks")
        server = self.open(self.path, key)
        self.assertEqual((server.name, server.pepper(), len(server.keys)), ("Sydent", "matrixrocks", 1))
