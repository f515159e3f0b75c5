"""What comes from mxisd 1.x and ma1sd, and what does not."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from mxisd.accounts.accounts import digest
from mxisd.clock import DAY, HOUR
from mxisd.matrix.signing import public_key_of
from mxisd.matrix.threepid import email
from mxisd.migrate.tables import NotReadable
from mxisd.storage.archive import AccessToken
from mxisd.storage.records import Delivery, Invite, Session, secret_digest, token_digest
from tests.make import result
from tests.migrate.case import THEN, WEEK, MoveCase
from tests.migrate.old_servers import OldServer

ALL = {"Session": 2, "Invite": 6, "Delivery": 1, "AccessToken": 3, "AcceptedTerms": 2}
ONCE = "Transaction: what was in it was not written down, and its ID alone may come again"


class MxisdTests(MoveCase):
    def setUp(self) -> None:
        super().setUp()
        self.old = OldServer("ma1sd-sqlite", self.folder)

    def test_all_of_it_and_again(self) -> None:
        before = self.old.contents()
        server = self.open(self.old.config)
        plan = self.move(server)
        self.assertEqual(self.coming(plan), ALL)
        self.assertEqual(self.left(plan), {ONCE: 1})
        self.assertEqual((plan.pending, plan.expiring, plan.without_key, plan.unknown_keys), (4, 0, 0, {}))
        invites = self.all(Invite)
        again = self.move(server)
        self.assertEqual(self.coming(again), {})
        self.assertEqual({kind.__name__: count.there for kind, count in again.counts.items() if count.there}, ALL)
        self.assertEqual(self.all(Invite), invites)
        self.assertEqual(self.old.contents(), before)

    def test_mxisd_has_no_accounts(self) -> None:
        plan = self.move(self.open(OldServer("mxisd-sqlite", self.folder).config))
        self.assertEqual(self.coming(plan), {"Session": 2, "Invite": 6, "Delivery": 1})

    def test_invites_as_the_old_server_answered(self) -> None:
        self.move(self.open(self.old.config))
        by_token = {invite.token: invite for invite in self.all(Invite)}
        for given in self.old.facts["invites"]:
            if given["status"] != 200:
                continue
            invite = by_token[given["answer"]["token"]]
            self.assertEqual(invite.threepid, email(given["address"]))
            self.assertEqual((invite.sender, invite.only_key), (given["sender"], self.old.facts["key_id"]))
            if "private_key" in given:
                self.assertEqual(invite.ephemeral_private_key, given["private_key"])
                self.assertEqual(invite.ephemeral_public_key, public_key_of(given["private_key"]))
                self.assertEqual((invite.ended, invite.proven), (None, False))
        (pending, _) = sorted(
            result(self.storage.invites.pending(email("pending@people.example"))), key=lambda i: i.sender
        )
        self.assertEqual(
            pending.fields,
            {
                "room_name": "Tea",
                "sender_display_name": "Alice",
                "room_join_rules": "invite",
                "room_alias": "#tea:example.org",
            },
        )
        # Nobody is mailed again.
        self.assertIsNone(result(self.storage.outbox.claim("message", THEN, 1, 99, {}, 99)).next_due)

    def test_invites_that_were_resolved(self) -> None:
        self.old.change(
            "UPDATE invite_3pid_history SET resolvedTo = '@_mxisd_invite-expired:example.org' WHERE couldPublish"
        )
        self.move(self.open(self.old.config))
        ended = {invite.threepid.address: invite for invite in self.all(Invite) if invite.ended}
        self.assertEqual(ended["later@people.example"].ended, "expired")
        refused = ended["refused-later@people.example"]
        self.assertEqual((refused.ended, refused.user_id), ("resolved", "@refused:example.org"))
        self.assertEqual({invite.ephemeral_private_key for invite in ended.values()}, {""})
        self.assertIsNone(result(self.storage.outbox.claim("onbind", THEN, 1, 99, {}, 99)).next_due)
        (delivery,) = self.all(Delivery)
        self.assertEqual((delivery.token, delivery.state), (refused.token, "abandoned"))

    def test_what_failed_is_delivered_if_it_is_wanted_before_or_after(self) -> None:
        server = self.open(self.old.config)
        for retry_failed in (False, True, True):
            plan = self.move(server, retry_failed=retry_failed)
        self.assertEqual(self.coming(plan), {})
        (taken,) = result(self.storage.outbox.claim("onbind", THEN, HOUR, 99, {}, 99)).deliveries
        self.assertEqual(
            (taken.destination, taken.user_id, taken.created), ("example.org", "@refused:example.org", THEN)
        )
        self.assertTrue(result(self.storage.outbox.close(taken, "done", "200", THEN)))
        self.assertEqual(self.coming(self.move(server, retry_failed=True)), {})
        self.assertEqual([delivery.state for delivery in self.all(Delivery)], ["done"])

    def test_sessions_of_a_day(self) -> None:
        server = self.open(self.old.config)
        plan = self.move(server, now=THEN + DAY)
        self.assertEqual(self.coming(plan).get("Session"), None)
        self.assertEqual(self.left(plan)["Session: it is over: more than a day old"], 2)
        self.move(server)
        for given in self.old.facts["sessions"]:
            session = result(self.storage.sessions.get(given["sid"]))
            assert session is not None
            secret, threepid = given["client_secret"], email(given["address"])
            self.assertEqual(session.threepid, threepid)
            self.assertEqual(session.secret_digest, secret_digest(*threepid, secret))
            self.assertEqual(session.token_digests, token_digest(given["sid"], secret, given["token"]))
            self.assertEqual(session.validated_at is not None, given["validated"])
            self.assertEqual((session.send_attempt, session.next_link), (1, "https://app.example.org/done?x=1"))

    def test_sessions_of_other_servers_and_secrets_in_links(self) -> None:
        self.old.change(
            "UPDATE session_3pid SET nextLink = 'https://app.example.org/?s=' || secret WHERE validated",
            "UPDATE session_3pid SET isRemote = 1, remoteServer = 'vector.im' WHERE NOT validated",
        )
        plan = self.move(self.open(self.old.config))
        self.assertEqual(self.left(plan)["Session: another identity server was asked to validate the address"], 1)
        (session,) = self.all(Session)
        self.assertEqual(session.next_link, "https://app.example.org/?s=\n")

    def test_accounts(self) -> None:
        self.move(self.open(self.old.config))
        for given in self.old.facts["accounts"]:
            account = result(self.storage.accounts.account_of(digest(given["token"])))
            assert account is not None
            self.assertEqual(account.user_id, given["user_id"])
            self.assertEqual(account.accepted_terms, frozenset(given.get("accepted", [])))
        self.assertEqual({token.created // 10**9 for token in self.all(AccessToken)}, {1795})

    def test_a_new_term(self) -> None:
        server = self.open(self.old.config)
        later = THEN + 10 * WEEK
        self.assertEqual(self.move(server, now=later, expire_after=None).expiring, 0)
        for keep_for, expected in ((None, (4, 0)), (2 * WEEK, (0, 4))):
            self.setUp()
            plan = self.move(self.open(self.old.config), now=later, keep_for=keep_for)
            self.assertEqual((plan.expiring, plan.renewed), expected)
        self.assertEqual({invite.created + WEEK for invite in self.all(Invite) if not invite.ended}, {later + 2 * WEEK})

    def test_rows_that_cannot_come(self) -> None:
        self.old.change(
            "UPDATE invite_3pid SET sender = 'nobody' WHERE roomId = '!first:example.org'",
            "UPDATE invite_3pid SET roomId = 'room' WHERE roomId = '!third:example.org'",
            "UPDATE invite_3pid SET address = 'nowhere' WHERE roomId = '!fourth:other.example'",
            "UPDATE invite_3pid_history SET sender = '' WHERE NOT couldPublish",
            "UPDATE account SET userId = 'carol' WHERE userId LIKE '@carol%'",
            "INSERT INTO accepted (url, userId, acceptedAt) SELECT url, userId, 1 FROM accepted",
        )
        plan = self.move(self.open(self.old.config))
        self.assertEqual(
            self.left(plan),
            {
                ONCE: 1,
                "Invite: the user ID is none": 2,
                "Invite: the room ID is none": 1,
                "Invite: the address is none by the rules of today": 1,
                "Delivery: its invite stays behind": 1,
                "AccessToken: the user ID is none": 1,
                "AcceptedTerms: it is there twice": 2,
            },
        )

    def test_rows_that_no_server_writes(self) -> None:
        self.old.change(
            "UPDATE session_3pid SET creationTime = 'noon', validationTime = 'noon'",
            "UPDATE account SET createdAt = x'00' WHERE userId LIKE '@carol%'",
            "UPDATE invite_3pid SET roomId = x'212121' WHERE roomId = '!first:example.org'",
            "UPDATE invite_3pid SET sender = CAST(x'ff' AS TEXT) WHERE roomId = '!third:example.org'",
        )
        plan = self.move(self.open(self.old.config))
        why = "it is not as that server writes it"
        self.assertEqual(
            self.left(plan),
            {
                ONCE: 1,
                f"Session: {why}": 2,
                f"AccessToken: {why}": 1,
                f"Invite: {why}": 1,
                "Invite: the user ID is none": 1,
            },
        )

    def test_rows_that_no_storage_takes(self) -> None:
        self.old.change(
            "UPDATE account SET createdAt = 1 << 62 WHERE userId LIKE '@carol%'",
            "UPDATE accepted SET acceptedAt = 'noon'",
            "UPDATE session_3pid SET attempt = 1.5",
            "UPDATE invite_3pid SET token = x'ff' WHERE roomId = '!first:example.org'",
            "UPDATE invite_3pid SET token = 'a' || char(0) WHERE roomId = '!third:example.org'",
            """UPDATE invite_3pid SET properties = '{"created_at":"99999999999999999999"}'
               WHERE roomId LIKE '!fourth%'""",
        )
        plan = self.move(self.open(self.old.config))
        why = "it is not as that server writes it"
        kinds = {"Session": 2, "Invite": 3, "AccessToken": 1, "AcceptedTerms": 2}
        self.assertEqual(self.left(plan), {ONCE: 1, **{f"{kind}: {why}": count for kind, count in kinds.items()}})
        self.assertEqual(self.coming(self.move(self.open(self.old.config))), {})

    def test_properties_that_are_missing_or_broken(self) -> None:
        self.old.change(
            "UPDATE invite_3pid SET properties = NULL WHERE roomId = '!first:example.org'",
            "UPDATE invite_3pid SET properties = '[' WHERE roomId = '!third:example.org'",
            """UPDATE invite_3pid SET properties = '{"created_at":"soon","e_key_public":7}'
               WHERE roomId LIKE '!fourth%'""",
        )
        plan = self.move(self.open(self.old.config))
        self.assertEqual(plan.pending, 4)
        fresh = [invite for invite in self.all(Invite) if not invite.ended and not invite.fields]
        self.assertEqual([invite.created for invite in fresh], [THEN] * 3)
        self.assertEqual({invite.only_key for invite in fresh}, {self.old.facts["key_id"]})

    def test_a_database_alone(self) -> None:
        with_keys = self.move(self.open(self.old.database, self.old.keys))
        self.assertEqual((self.coming(with_keys), with_keys.without_key), (ALL, 0))
        self.setUp()
        single = OldServer("mxisd-single-key", self.folder)
        plan = self.move(self.open(self.old.database, single.keys))
        self.assertEqual((plan.without_key, plan.unknown_keys), (4, {self.old.facts["key_id"]: 4}))

    def test_what_is_not_there_is_named(self) -> None:
        text = self.old.config.read_text()
        for old, new, said in (
            ("/store.db", "/absent.db", "storage.provider.sqlite.database: there is no database .*absent.db"),
            ("store.db", "people.db", "people.db is neither of mxisd, nor of ma1sd or Sydent"),
            ("sqlite:", "mysql:", "storage.provider.sqlite.database names no file"),
            (
                "storage:\n",
                "storage:\n  backend: redis\n",
                "storage.backend: expected sqlite or postgresql, found redis",
            ),
            ("storage:\n", "storage:\n  backend: postgresql\n", "storage.provider.postgresql.database: required"),
            ("/keys'", "/absent'", "there are no keys at .*absent"),
        ):
            self.old.config.write_text(text.replace(old, new))
            self.assertRaisesRegex(NotReadable, said, self.open, self.old.config)
        for content in ("- a", "a: [", "\xff"):
            self.old.config.write_text(content, encoding="latin-1")
            self.assertRaisesRegex(NotReadable, "is no configuration, and no SQLite", self.open, self.old.config)
        self.assertRaisesRegex(NotReadable, "is a folder", self.open, self.folder)
        self.assertRaises(FileNotFoundError, self.open, self.folder / "absent")

    def test_a_database_that_was_not_written_to_its_end(self) -> None:
        with closing(sqlite3.connect(self.old.database, isolation_level=None)) as writing:
            writing.executescript("PRAGMA cache_spill = 1; PRAGMA cache_size = 1; BEGIN IMMEDIATE")
            writing.executemany(
                "INSERT INTO accepted (url, userId, acceptedAt) VALUES (?, '', 0)", [("x" * 900,)] * 500
            )
            journal = self.old.database.with_name("store.db-journal")
            torn = {path: path.read_bytes() for path in (self.old.database, journal)}
            writing.execute("ROLLBACK")
        for path, content in torn.items():
            path.write_bytes(content)
        self.assertRaisesRegex(NotReadable, "store.db cannot be read: ", self.open, self.old.config)

    def test_a_database_that_was_in_use(self) -> None:
        self.old.change("PRAGMA journal_mode = WAL", "DELETE FROM account")
        self.assertNotIn("AccessToken", self.coming(self.move(self.open(self.old.config))))
