"""The ``sql`` store, on every kind of database."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import skipUnless

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from mxisd.config.engine.problems import ConfigError
from mxisd.config.engine.section import Secret
from mxisd.config.sql import Directory, DirectoryQueries, Identity, Profile, Query, TypedQuery
from mxisd.matrix.threepid import EMAIL, ThreePid
from mxisd.reactor import installed_reactor
from mxisd.stores.localpart import UserIds
from mxisd.stores.sql.build import sql_store
from mxisd.stores.store import Store
from tests.servers import mariadb, postgresql
from tests.stores import databases
from tests.stores.contract import together
from tests.stores.databases import QUERIES, with_bulk, without_operator
from tests.stores.people import ALICE, DOMAIN, Person

reactor = installed_reactor()


class SQLiteTests(databases.SqlContract):
    def make(self) -> tuple[str, str]:
        return databases.in_sqlite(str(Path(self.mktemp()).absolute()))


class UserIdsAsNamesTests(databases.SqlCase):
    """Whole user IDs where the configuration says that there are names."""

    def make(self) -> tuple[str, str]:
        people = (Person(f"@john:{DOMAIN}", "John", ((EMAIL, "john@example.org"),)),)
        return databases.in_sqlite(str(Path(self.mktemp()).absolute()), people)

    async def test_are_never_mapped(self) -> None:
        assert self.store.source and self.store.directory
        threepid = ThreePid(EMAIL, "john@example.org")
        self.assertEqual(await self.store.source.lookup([threepid]), {threepid: f"@john:{DOMAIN}"})
        found = await self.store.directory.search_by_name("john", 5)
        self.assertEqual([entry.user_id for entry in found], [f"@john:{DOMAIN}"])


class SQLiteInBulkTests(SQLiteTests):
    config = with_bulk(QUERIES)


@skipUnless(postgresql.available(), "PostgreSQL is not installed")
class PostgreSQLTests(databases.SqlContract):
    def make(self) -> tuple[str, str]:
        return databases.in_postgresql()

    async def test_finds_users_again_after_the_server_has_dropped_all_connections(self) -> None:
        threepid = ThreePid(EMAIL, "alice@example.org")
        await together(self.source.lookup([threepid]) for _ in range(20))
        with databases.postgresql_admin() as admin:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mxisd'")
        found = await together(self.source.lookup([threepid]) for _ in range(20))
        self.assertEqual(found, [{threepid: ALICE.user_id}] * 20)


class PostgreSQLInBulkTests(PostgreSQLTests):
    config = with_bulk(QUERIES)


@skipUnless(mariadb.available(), "MariaDB is not installed")
class MariaDBTests(databases.SqlContract):
    config = without_operator(QUERIES)

    def make(self) -> tuple[str, str]:
        return databases.in_mariadb()

    async def test_finds_users_again_after_the_server_has_dropped_all_connections(self) -> None:
        threepid = ThreePid(EMAIL, "alice@example.org")
        await together(self.source.lookup([threepid]) for _ in range(20))
        with databases.mariadb_admin() as admin, admin.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE command = 'Sleep'")
            for (number,) in cursor.fetchall():
                cursor.execute(f"KILL {number}")
        found = await together(self.source.lookup([threepid]) for _ in range(20))
        self.assertEqual(found, [{threepid: ALICE.user_id}] * 20)


class MariaDBInBulkTests(MariaDBTests):
    config = with_bulk(without_operator(QUERIES))


class ConfigurationTests(SynchronousTestCase):
    """What is refused at start, and what is offered."""

    def setUp(self) -> None:
        self.warnings: list[str] = []

    def build(self, **changes: Any) -> Store:
        config = replace(QUERIES, **{"connection": Secret("/nowhere.db"), **changes})
        return sql_store("sql", config, reactor, UserIds(DOMAIN), self.warnings.append)[0]

    def problems(self, **changes: Any) -> tuple[str, ...]:
        with self.assertRaises(ConfigError) as raised:
            self.build(**changes)
        problems: tuple[str, ...] = raised.exception.problems
        return problems

    def test_features_are_switched_one_by_one(self) -> None:
        store = self.build(identity=replace(QUERIES.identity, enabled=False))
        self.assertIsNone(store.source)
        self.assertIsNotNone(store.profiles)
        store = self.build(enabled=False, identity=replace(QUERIES.identity, enabled=True))
        self.assertIsNotNone(store.source)
        self.assertIsNone(store.directory)

    def test_tells_at_start_where_parts_of_names_are_found(self) -> None:
        by_name = TypedQuery(value="SELECT name, name FROM people WHERE name LIKE ?")
        by_threepid = TypedQuery(value="SELECT name, name FROM people WHERE name LIKE ? || '%'")
        query = DirectoryQueries(name=by_name, threepid=by_threepid)
        self.build(directory=Directory(query=query))
        self.build(directory=Directory(enabled=False, query=query))
        self.assertEqual(self.warnings, ["sql.directory.query.name: LIKE ? finds parts of names and addresses"])

    def test_wants_to_know_where_the_database_is(self) -> None:
        for connection in ("localhost", "//localhost", "//a:b@c:d@e/f", "//localhost:port/database?password=secret"):
            (problem,) = self.problems(type="postgresql", connection=Secret(connection))
            self.assertEqual(problem, "sql.connection: expected //host[:port]/database?user=…&password=…")
        (problem,) = self.problems(type="mariadb", connection=Secret("jdbc:postgresql://localhost/people"))
        self.assertEqual(problem, "sql.connection: expected a database of the type mysql, found postgresql")

    def test_counts_the_placeholders(self) -> None:
        identity = Identity(
            query="SELECT 1 WHERE '?' = ? AND a = ? AND b = ?", bulk_query="SELECT 1", medium={"email": "SELECT '?'"}
        )
        self.assertEqual(
            self.problems(identity=identity, profile=Profile(display_name=Query(query="SELECT 1"))),
            (
                "sql.identity.medium.email: expected 1 or 2 placeholders (?), found 0",
                "sql.identity.query: expected 1 or 2 placeholders (?), found 3",
                "sql.identity.bulkQuery: expected 2 placeholders (?), found 0",
                "sql.profile.displayName.query: expected a placeholder (?), found none",
            ),
        )
