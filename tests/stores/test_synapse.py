"""The ``synapseSql`` store."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from unittest import skipUnless

import psycopg
from twisted.internet.defer import Deferred

from mxisd.config.sql import Identity, SynapseSql
from mxisd.matrix.threepid import EMAIL, MSISDN, ThreePid
from mxisd.stores.sql import synapse as synapse_module
from mxisd.stores.sql.database import SqlTable
from mxisd.stores.sql.synapse import SynapseStore
from mxisd.stores.store import Store
from tests.servers import postgresql
from tests.stores import synapse_databases as synapse
from tests.stores.people import ALICE, BOB, CAROL

INSTALLED = skipUnless(synapse.has("synapse"), "Synapse is not installed in .cache/synapse-venv")
WITH_POSTGRESQL = skipUnless(
    postgresql.available() and synapse.has("psycopg2"), "PostgreSQL, or Synapse's psycopg2, is not installed"
)


@INSTALLED
class SQLiteTests(synapse.SynapseContract):
    def make(self) -> tuple[str, str]:
        return synapse.in_sqlite(self.mktemp())


@INSTALLED
@WITH_POSTGRESQL
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
        enabled=True,
        published="all",
        identity=Identity(query="SELECT name AS uid FROM users WHERE name LIKE '@caro%' AND ? = ?"),
    )

    def make(self) -> tuple[str, str]:
        return synapse.in_sqlite(self.mktemp())

    async def test_is_used(self) -> None:
        assert self.store.source
        asked = [ThreePid("same", "same"), ThreePid(EMAIL, "alice@example.org"), ThreePid("equal", "equal")]
        found = await self.store.source.lookup(asked)
        self.assertEqual(found, {asked[0]: CAROL.user_id, asked[2]: CAROL.user_id})


class SpellingContract(synapse.SynapseCase):
    """Addresses that an older Synapse has kept as they were typed, and what users have published."""

    added = (
        ("@old:example.org", EMAIL, "Old.Style@Example.ORG"),
        ("@umlaut:example.org", EMAIL, "ÄNNE@example.org"),
        ("@composed:example.org", EMAIL, "Zoe\u0308@example.org"),
        ("@domain:example.org", EMAIL, "Anna@BÜCHER.example"),
        ("@phone:example.org", MSISDN, "+44 7700 900123"),
        ("@new:example.org", EMAIL, "new@example.org"),
        # Two accounts, of which one has the address as we write it.
        ("@second:example.org", EMAIL, "Twice@example.org"),
        ("@first:example.org", EMAIL, "twice@example.org"),
    )
    published = (
        ("@new:example.org", EMAIL, "new@example.org", "is.example.org"),
        ("@new:example.org", EMAIL, "new@example.org", "another.example.net"),
        ("@old:example.org", EMAIL, "Old.Style@Example.ORG", "vector.im"),
        # Published, and not added to the account.
        ("@bound:example.org", EMAIL, "bound@example.org", "vector.im"),
        ("@bound:example.org", MSISDN, "447700900456", "vector.im"),
    )
    asked = (
        ThreePid(EMAIL, "old.style@example.org"),
        ThreePid(EMAIL, "änne@example.org"),
        ThreePid(EMAIL, "zoë@example.org"),
        ThreePid(EMAIL, "anna@xn--bcher-kva.example"),
        ThreePid(MSISDN, "447700900123"),
        ThreePid(EMAIL, "new@example.org"),
        ThreePid(EMAIL, "twice@example.org"),
        ThreePid(EMAIL, "bound@example.org"),
        ThreePid(MSISDN, "447700900456"),
        ThreePid(EMAIL, "nobody@example.org"),
    )

    async def find(self) -> dict[str, str]:
        """Whom the addresses that are asked for lead to, one by one and all at once."""
        source, listing = self.store.source, self.store.listing
        assert source and listing
        together = dict(await source.lookup(self.asked))
        single = [await source.lookup([threepid]) for threepid in self.asked]
        self.assertEqual({key: user_id for found in single for key, user_id in found.items()}, together)
        listed = dict(reversed([entry async for batch in listing.batches() for entry in batch]))
        self.assertEqual(set(listed) & set(self.asked), set(together))
        return {threepid.address: user_id.split(":")[0] for threepid, user_id in together.items()}

    def run_statement(self, statement: str, rows: Sequence[Sequence[object]] = ((),)) -> None:
        raise NotImplementedError

    async def build(self) -> Store:
        store = await super().build()
        self.run_statement("INSERT INTO user_threepids VALUES (?, ?, ?, 1, 1)", self.added)
        self.run_statement("INSERT INTO user_threepid_id_server VALUES (?, ?, ?, ?)", self.published)
        return store

    async def test_finds_all_in_any_spelling(self) -> None:
        self.assertEqual(
            await self.find(),
            {
                "old.style@example.org": "@old",
                "änne@example.org": "@umlaut",
                "zoë@example.org": "@composed",
                "anna@xn--bcher-kva.example": "@domain",
                "447700900123": "@phone",
                "new@example.org": "@new",
                "twice@example.org": "@first",
            },
        )

    async def test_somebody_who_has_gone_is_not_found(self) -> None:
        assert self.store.source
        self.assertEqual(len(await self.store.source.lookup(self.asked[:1])), 1)
        for table in ("user_threepids", "user_threepid_id_server"):
            self.run_statement(f"DELETE FROM {table} WHERE user_id = '@old:example.org'")  # noqa: S608 - written here
        self.assertEqual(await self.store.source.lookup(self.asked[:1]), {})

    async def test_what_cannot_be_read_leaves_the_rest_alone(self) -> None:
        store = self.store.source
        assert isinstance(store, SynapseStore)

        def stream(_: str) -> AsyncIterator[SqlTable]:
            raise ConnectionError("no answer")

        self.patch(store._database, "stream", stream)
        new = self.asked[5]
        self.assertEqual(await store.lookup([self.asked[0], new]), {new: "@new:example.org"})

    async def test_nobody_waits_long_for_it(self) -> None:
        store = self.store.source
        assert isinstance(store, SynapseStore)

        async def stream(_: str) -> AsyncIterator[SqlTable]:
            await Deferred()
            yield SqlTable([], [])

        self.patch(synapse_module, "_PATIENCE", 0.01)
        self.patch(store._database, "stream", stream)
        new = self.asked[5]
        self.assertEqual(await store.lookup([self.asked[0], new]), {new: "@new:example.org"})


class PublishedContract(SpellingContract):
    config = SynapseSql(enabled=True, published="only")

    async def test_finds_all_in_any_spelling(self) -> None:
        found = {"old.style@example.org": "@old", "new@example.org": "@new"}
        bound = {"bound@example.org": "@bound", "447700900456": "@bound"}
        self.assertEqual(await self.find(), {**found, **bound})


class OnSQLite(SpellingContract):
    def make(self) -> tuple[str, str]:
        type_, self.path = synapse.in_sqlite(self.mktemp())
        return type_, self.path

    def run_statement(self, statement: str, rows: Sequence[Sequence[object]] = ((),)) -> None:
        with closing(sqlite3.connect(self.path)) as database:
            database.executemany(statement, rows)
            database.commit()


class OnPostgreSQL(SpellingContract):
    def make(self) -> tuple[str, str]:
        type_, self.path = synapse.in_new_postgresql()
        return type_, self.path

    def run_statement(self, statement: str, rows: Sequence[Sequence[object]] = ((),)) -> None:
        with psycopg.connect(self.path) as database:
            database.cursor().executemany(statement.replace("?", "%s"), rows)


@INSTALLED
class SpellingsInSQLiteTests(OnSQLite): ...


@INSTALLED
class PublishedInSQLiteTests(OnSQLite, PublishedContract): ...


@INSTALLED
@WITH_POSTGRESQL
class SpellingsInPostgreSQLTests(OnPostgreSQL): ...


@INSTALLED
@WITH_POSTGRESQL
class PublishedInPostgreSQLTests(OnPostgreSQL, PublishedContract): ...


del SpellingContract, PublishedContract, OnSQLite, OnPostgreSQL
