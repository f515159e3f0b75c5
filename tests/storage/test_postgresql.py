"""PostgreSQL: the contract, on a real server, and what is particular to tables that others may be beside."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import count
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from mxisd.config.engine.section import Secret
from mxisd.config.storage import PostgreSQL as Settings
from mxisd.matrix.hashing import digest
from mxisd.matrix.threepid import ThreePid
from mxisd.storage.contract import Storage, StorageUnavailable
from mxisd.storage.hashed import Portion
from mxisd.storage.postgresql import PostgreSQLService, schema
from mxisd.storage.records import Pepper
from tests.make import ALICE, BOB, EMAIL, NOW, binding, invite
from tests.servers import pgbouncer
from tests.servers.postgresql import postgresql
from tests.storage import contract

REACTOR: Any = reactor

_serial = count(1)


def service(location: str, **settings: Any) -> PostgreSQLService:
    defaults: dict[str, Any] = {"pool_size": 4, "timeout": timedelta(seconds=10)}
    return PostgreSQLService(Settings(database=Secret(location), **defaults | settings), REACTOR)


class InASchema(TestCase):
    """A storage in a schema of its own, which is not there yet."""

    storage: Storage

    def setUp(self) -> None:
        self.schema = f"{os.getpid()}.{next(_serial)}"
        self.addCleanup(postgresql().execute, f'DROP SCHEMA IF EXISTS "{self.schema}" CASCADE')
        self.start()
        self.addCleanup(lambda: self.service.stopService())

    @property
    def location(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{postgresql().port}/postgres?currentSchema=%22{self.schema}%22"

    def start(self) -> None:
        self.service = service(self.location)
        self.service.startService()
        self.storage = self.service.storage

    async def restart(self) -> None:
        await self.service.stopService()
        self.start()

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement in the schema as somebody else would."""
        return postgresql().execute(f'SET search_path = "{self.schema}"; {sql}')

    def tables(self) -> set[str]:
        return {name for (name,) in self.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")}


class ContractTests(InASchema, contract.StorageContract):
    """The contract, on connections of its own."""


class PooledContractTests(ContractTests):
    """The same behind a PgBouncer for which all clients share one connection, from transaction to transaction."""

    @property
    def location(self) -> str:
        password = pgbouncer.PASSWORD.replace(" ", "%20")
        port = pgbouncer.pgbouncer("transaction").port
        return f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres?currentSchema=%22{self.schema}%22"

    async def test_nothing_is_left_in_the_session(self) -> None:
        await self.storage.sessions.get("none")
        session = pgbouncer.pgbouncer("transaction").execute("SHOW search_path")
        self.assertEqual(session, [('"$user", public',)])
        self.assertEqual(pgbouncer.pgbouncer("transaction").execute("SELECT name FROM pg_prepared_statements"), [])


class TableTests(InASchema):
    """What is in the database, and beside what."""

    async def test_tables_of_others_stay_as_they_are(self) -> None:
        names = ("sessions", "hashes", "invites", "account", "invite_3pid", "accepted", "hash_pepper")
        await self.service.stopService()
        self.execute(f'DROP SCHEMA IF EXISTS "{self.schema}" CASCADE; CREATE SCHEMA "{self.schema}"')
        for name in names:
            self.execute(f"CREATE TABLE {name} AS VALUES ('theirs')")
        self.start()
        await self.storage.invites.add(invite(), resend_before=0)
        ours = self.tables() - set(names)
        self.assertEqual({name for name in ours if not name.startswith("mxisd_")}, set())
        for name in names:
            self.assertEqual(self.execute(f"TABLE {name}"), [("theirs",)])

    async def test_without_a_schema_they_are_where_others_are_made(self) -> None:
        postgresql().execute("DROP DATABASE IF EXISTS plain")
        postgresql().execute("CREATE DATABASE plain")
        self.addCleanup(postgresql().execute, "DROP DATABASE plain WITH (FORCE)")
        plain = service(f"//localhost:{postgresql().port}/plain?user=postgres")
        plain.startService()
        self.addCleanup(plain.stopService)
        self.assertEqual(await plain.storage.hashes.peppers(), [])
        rows = postgresql().execute("SELECT schemaname FROM pg_tables WHERE tablename = 'mxisd_invites'", "plain")
        self.assertEqual(rows, [("public",)])

    async def test_of_many_who_start_at_once_one_makes_the_tables(self) -> None:
        others = [service(self.location, pool_size=2) for _ in range(3)]
        for other in others:
            other.startService()
            self.addCleanup(other.stopService)
        found = await contract.together(*(each.storage.hashes.peppers() for each in [*others, self.service]))
        self.assertEqual(found, [[]] * 4)
        self.assertEqual(self.execute("SELECT * FROM mxisd_schema"), [(len(schema.migrations()),)])

    async def test_an_older_schema_is_upgraded(self) -> None:
        kept = await self.storage.invites.add(invite(), resend_before=0)
        await self.service.stopService()
        newer = (*schema.migrations(), "ALTER TABLE mxisd_transactions ADD COLUMN extra text")
        self.patch(schema, "migrations", lambda: newer)
        self.start()
        self.assertEqual(await self.storage.invites.get(kept.token), kept)
        self.assertEqual(self.execute("TABLE mxisd_schema"), [(len(newer),)])

    async def test_one_who_runs_while_a_newer_one_upgrades_is_sent_away(self) -> None:
        await self.storage.hashes.peppers()
        known = len(schema.migrations())
        self.execute("UPDATE mxisd_schema SET version = version + 1")
        self.execute(schema.SEND_AWAY)
        # A connection that was just being made is found by the next who is sent away.
        while "newer" not in (reason := await self.reason(self.storage) or ""):
            self.execute(schema.SEND_AWAY)
        self.assertIn(f"its tables (version {known + 1}) were made by a newer mxisd; this one knows", reason)

    async def reason(self, storage: Storage) -> str | None:
        """Why nothing is to be had; ``None`` if it is."""
        try:
            await storage.hashes.peppers()
        except StorageUnavailable as error:
            return str(error)
        return None

    async def test_a_script_that_fails_changes_nothing(self) -> None:
        await self.storage.hashes.peppers()
        await self.service.stopService()
        newer = (*schema.migrations(), "CREATE TABLE mxisd_extra (a text); CREATE TABLE mxisd_invites (a text)")
        patched = self.patch(schema, "migrations", lambda: newer)
        self.start()
        reason = await self.reason(self.storage)
        self.assertIn('its tables cannot be made or upgraded: relation "mxisd_invites" already exists', reason or "")
        patched.restore()
        self.assertNotIn("mxisd_extra", self.tables())
        await self.restart()
        self.assertIsNone(await self.reason(self.storage))

    async def test_texts_may_hold_any_character(self) -> None:
        awkward = ("a\0b", "a", "\0", "\x1a0", "\x1a", "\x1a1\0", "{}", '{"a","b"}', "NULL", "\\", "\ufffe", "a\\0")
        for number, text in enumerate(awkward):
            await self.storage.bindings.bind(binding(ThreePid("email", text), f"@{number}{text}:x"), "example.org")
        threepids = [ThreePid("email", text) for text in awkward]
        users = {ThreePid("email", text): f"@{number}{text}:x" for number, text in enumerate(awkward)}
        self.assertEqual(await self.storage.bindings.users_of(threepids), users)
        for threepid in threepids:
            bound = await self.storage.bindings.get(threepid)
            self.assertEqual(bound and (bound.threepid, bound.user_id), (threepid, users[threepid]))
        self.assertEqual(await self.storage.hashes.find("none\0", ["a\0b"]), None)


class HashTests(InASchema):
    """What is done in many steps, and may break off between them."""

    async def rotate(self, pepper: str) -> None:
        self.assertTrue(await self.storage.hashes.prepare(Pepper(pepper=pepper, made_at=NOW), after=None))
        self.assertTrue(await self.storage.hashes.publish(pepper, keep=1))

    async def test_whoever_prepares_a_pepper_may_die(self) -> None:
        await self.storage.bindings.bind(binding(), "example.org")
        hashes = self.storage.hashes
        await hashes.prepare(Pepper(pepper="dead", made_at=NOW), after=None)
        successor = Pepper(pepper="alive", made_at=NOW)
        self.assertFalse(await hashes.prepare(successor, after=None))
        self.execute("UPDATE mxisd_peppers SET touched_at = now() - interval '11 minutes'")
        self.assertTrue(await hashes.prepare(successor, after=None))
        self.assertFalse(await hashes.publish("dead", keep=1))
        self.assertTrue(await hashes.publish("alive", keep=1))
        sought = digest(EMAIL, "alive")
        self.assertEqual(await hashes.find("alive", [sought]), {sought: ALICE})
        self.assertEqual(self.execute("SELECT count(*) FROM mxisd_hashes"), [(1,)])

    async def test_what_is_staged_goes_away_however_it_ends(self) -> None:
        async def portions(failing: bool) -> AsyncIterator[Portion]:
            yield [((f"{number}",), ALICE) for number in range(2500)]
            if failing:
                raise ConnectionError

        await self.rotate("pepper")
        await self.storage.hashes.arrange(["sql"])
        with self.assertRaises(ConnectionError):
            await self.storage.hashes.replace("sql", ["pepper"], portions(True))
        await self.storage.hashes.replace("sql", ["pepper"], portions(False))
        self.assertEqual(self.execute("TABLE mxisd_stagings"), [])
        self.assertEqual(self.execute("TABLE mxisd_staged"), [])

    async def test_what_a_crash_has_emptied_is_not_taken_for_the_whole(self) -> None:
        async def portions(crashing: bool) -> AsyncIterator[Portion]:
            yield [(("one",), BOB)]
            if crashing:
                self.execute("TRUNCATE mxisd_stagings, mxisd_staged")

        await self.rotate("pepper")
        await self.storage.hashes.arrange(["sql"])
        await self.storage.hashes.replace("sql", ["pepper"], portions(False))
        with self.assertRaises(StorageUnavailable):
            await self.storage.hashes.replace("sql", ["pepper"], portions(True))
        self.assertEqual(await self.storage.hashes.find("pepper", ["one"]), {"one": BOB})

    async def test_a_refresh_without_news_writes_nothing(self) -> None:
        async def portions() -> AsyncIterator[Portion]:
            yield [((f"{number}",), ALICE) for number in range(1500)]

        await self.rotate("pepper")
        await self.storage.hashes.arrange(["sql"])
        for _ in range(2):
            await self.storage.hashes.replace("sql", ["pepper"], portions())
        rows = self.execute("SELECT count(DISTINCT xmin::text), count(*) FROM mxisd_hashes")
        # Each step of the first time was a transaction.
        self.assertEqual(rows, [(2, 1500)])
