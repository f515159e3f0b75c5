"""The ``synapseSql`` store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from unittest import skipUnless

from mxisd.config.sql import Identity, SynapseSql
from mxisd.matrix.threepid import EMAIL, ThreePid
from tests.servers import postgresql
from tests.stores import synapse_databases as synapse
from tests.stores.people import ALICE, BOB, CAROL

INSTALLED = skipUnless(synapse.has("synapse"), "Synapse is not installed in .cache/synapse-venv")


@INSTALLED
class SQLiteTests(synapse.SynapseContract):
    def make(self) -> tuple[str, str]:
        return synapse.in_sqlite(self.mktemp())


@INSTALLED
@skipUnless(postgresql.available() and synapse.has("psycopg2"), "PostgreSQL, or Synapse's psycopg2, is not installed")
class PostgreSQLTests(synapse.SynapseContract):
    def make(self) -> tuple[str, str]:
        return synapse.in_postgresql()


@INSTALLED
class OldSynapseTests(synapse.SynapseContract):
    """Before full user IDs were in profiles, and with communities."""

    def make(self) -> tuple[str, str]:
        type_, path = synapse.in_sqlite(self.mktemp())
        with closing(sqlite3.connect(path)) as database:
            database.executescript(
                "DROP INDEX IF EXISTS profiles_full_user_id_key; ALTER TABLE profiles DROP COLUMN full_user_id;"
                "CREATE TABLE group_users (group_id TEXT, user_id TEXT)"
            )
            for person in (ALICE, BOB):
                rows = [(role, person.user_id) for role in person.roles]
                database.executemany("INSERT INTO group_users VALUES (?, ?)", rows)
            database.commit()
        return type_, path

    async def test_knows_the_roles_of_its_users(self) -> None:
        for person in (ALICE, BOB, CAROL):
            self.assertEqual(sorted(await self.profiles.roles(person.user_id)), sorted(person.roles))


@INSTALLED
class LackingTablesTests(synapse.SynapseCase):
    """What a Synapse does not have is not asked for; the rest goes on."""

    def make(self) -> tuple[str, str]:
        type_, path = synapse.in_sqlite(self.mktemp())
        with closing(sqlite3.connect(path)) as database:
            database.execute("DROP TABLE user_threepids")
        return type_, path

    async def test_goes_on_without(self) -> None:
        store = self.store
        assert store.source and store.profiles and store.directory and store.listing
        self.assertEqual(await store.source.lookup([ThreePid(EMAIL, "alice@example.org")]), {})
        self.assertEqual(await store.directory.search_by_threepid("alice", 10), [])
        self.assertEqual([batch async for batch in store.listing.batches()], [])
        self.assertEqual(await store.profiles.display_name(ALICE.user_id), ALICE.display_name)


@INSTALLED
class OwnQueryTests(synapse.SynapseCase):
    """A query of the administrator's is used for all lookups."""

    config = SynapseSql(
        enabled=True, identity=Identity(query="SELECT name AS uid FROM users WHERE name LIKE '@caro%' AND ? = ?")
    )

    def make(self) -> tuple[str, str]:
        return synapse.in_sqlite(self.mktemp())

    async def test_is_used(self) -> None:
        assert self.store.source
        asked = [ThreePid("same", "same"), ThreePid(EMAIL, "alice@example.org"), ThreePid("equal", "equal")]
        found = await self.store.source.lookup(asked)
        self.assertEqual(found, {asked[0]: CAROL.user_id, asked[2]: CAROL.user_id})
