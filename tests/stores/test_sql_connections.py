"""What the options of a connection do, in ``sql``."""

from __future__ import annotations

from typing import Any
from unittest import skipUnless
from urllib.parse import quote

import psycopg
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from mxisd.config.engine.problems import ConfigError
from mxisd.config.engine.section import Secret
from mxisd.config.sql import Identity
from mxisd.lookup.source import Unusable
from mxisd.matrix.threepid import EMAIL, ThreePid
from mxisd.reactor import installed_reactor
from mxisd.stores.localpart import UserIds
from mxisd.stores.sql.build import sql_store
from tests.integration.process import free_port
from tests.servers import mariadb, pgbouncer, postgresql
from tests.stores import contract, databases
from tests.stores.databases import QUERIES, with_bulk, without_operator
from tests.stores.people import ALICE, DOMAIN

reactor = installed_reactor()

WITH_POSTGRESQL = skipUnless(postgresql.available(), "PostgreSQL is not installed")
WITH_PGBOUNCER = skipUnless(pgbouncer.available() and postgresql.available(), "PgBouncer is not installed")
WITH_MARIADB = skipUnless(mariadb.available(), "MariaDB is not installed")
THREEPID = ThreePid(EMAIL, "alice@example.org")
PASSWORD = quote(pgbouncer.PASSWORD)


class PgBouncerTests(databases.SqlContract):
    """Behind a pooler, whose one connection is shared by everybody."""

    config = with_bulk(QUERIES)
    mode = "transaction"
    more = ""

    def make(self) -> tuple[str, str]:
        type_, connection = databases.in_postgresql()
        self.name = connection.rpartition("/")[2].partition("?")[0]
        self.port = pgbouncer.pgbouncer(self.mode, self.more).port
        return type_, f"//127.0.0.1:{self.port}/{self.name}?user=postgres&password={PASSWORD}&currentSchema=public"


@WITH_PGBOUNCER
class TransactionTests(PgBouncerTests):
    async def test_leaves_nothing_to_others(self) -> None:
        for _ in range(20):
            self.assertEqual(await self.source.lookup([THREEPID]), {THREEPID: ALICE.user_id})
        others = f"host=127.0.0.1 port={self.port} user=postgres dbname={self.name}"
        with psycopg.connect(others, password=pgbouncer.PASSWORD, prepare_threshold=None) as other:
            for setting, expected in (("search_path", '"$user", public'), ("statement_timeout", "0")):
                self.assertEqual(other.execute(f"SHOW {setting}").fetchone(), (expected,))
            self.assertEqual(other.execute("SELECT count(*) FROM pg_prepared_statements").fetchone(), (0,))


@WITH_PGBOUNCER
class TransactionsWithoutOptionsTests(TransactionTests):
    """It may have been told to pass over what it does not support."""

    more = "ignore_startup_parameters = options"


@WITH_PGBOUNCER
class SessionTests(PgBouncerTests):
    mode = "session"
    # With one connection to the server, each of our threads would wait for the others for good.
    more = "default_pool_size = 20"


del PgBouncerTests


class OptionsCase(contract.StoreCase):
    """A store whose connection each test chooses."""

    config = replace(QUERIES, identity=Identity(type="uid", query="SELECT name AS uid FROM found WHERE address = ?"))

    async def build(self) -> Any:
        return None

    async def who(self, connection: str, query: str | None = None) -> str | None:
        config = replace(self.config, type=self.type_, connection=Secret(connection))
        if query:
            config = replace(config, identity=Identity(type="uid", query=query))
        store = self.started(*sql_store("sql", config, reactor, self.user_ids, self.warnings.append))
        assert store.source
        return (await store.source.lookup([THREEPID])).get(THREEPID)

    type_: Any = "postgresql"


@WITH_POSTGRESQL
class PostgreSQLTests(OptionsCase):
    def setUp(self) -> Any:
        self.name = databases.new_in_postgresql()
        self.server = f"127.0.0.1:{postgresql.postgresql().port}"
        with psycopg.connect(f"postgresql://postgres@{self.server}/{self.name}") as admin:
            for schema in ("public", "app", '"My, App"'):
                admin.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
                admin.execute(f"CREATE TABLE {schema}.found (name text, address text)")
                row = (schema.strip('"').lower()[:2], THREEPID.address)
                admin.execute(f"INSERT INTO {schema}.found VALUES (%s, %s)", row)  # noqa: S608 - written here
            admin.execute("CREATE SCHEMA empty; CREATE TYPE kind AS ENUM ('email', 'msisdn')")
            admin.execute(
                "CREATE TABLE typed AS SELECT 'me' AS uid, 'email'::kind AS kind, 'alice@example.org' AS address"
            )
        return super().setUp()

    def at(self, options: str = "") -> str:
        return f"//{self.server}/{self.name}?user=postgres&password=any{options}"

    async def test_the_schema_is_that_of_the_connection(self) -> None:
        for options, name in (
            ("", "pu"),
            ("&currentSchema=app", "ap"),
            ("&currentschema=empty,app", "ap"),
            ("&currentSchema=empty,%20public", "pu"),
            ("&currentSchema=%22My,%20App%22,app", "my"),
            ('&currentSchema="My, App"', "my"),
            ("&search_path=app", "ap"),
            ("&options=-c%20search_path=app", "ap"),
            ("&options=--search-path%3Dapp%20-c%20work_mem=8MB", "ap"),
            ("&options=-csearch_path=empty,\\ app", "ap"),
        ):
            self.assertEqual(await self.who(self.at(options)), f"@{name}:{DOMAIN}", options)
        self.assertEqual(self.warnings, [])

    async def test_the_schema_is_that_of_the_connection_behind_a_pooler(self) -> None:
        if not pgbouncer.available():
            return
        port = pgbouncer.pgbouncer("transaction").port
        for schema, name in (("app", "ap"), ('"My, App"', "my"), ("public", "pu")):
            connection = f"//127.0.0.1:{port}/{self.name}?user=postgres&password={PASSWORD}&currentSchema={schema}"
            self.assertEqual(await self.who(connection), f"@{name}:{DOMAIN}")

    async def test_values_are_compared_with_any_type_if_they_have_none(self) -> None:
        query = "SELECT uid FROM typed WHERE kind = ? AND address = ?"
        self.assertEqual(await self.who(self.at("&stringtype=unspecified"), query), f"@me:{DOMAIN}")
        with self.assertRaisesRegex(Unusable, r"UndefinedFunction \(42883\)"):
            await self.who(self.at("&stringtype=varchar"), query)

    async def test_asks_the_first_of_several_servers_that_fits(self) -> None:
        for hosts, options in (
            (f"127.0.0.1:{free_port()},{self.server}", ""),
            (f"127.0.0.1:{free_port()},{self.server}", "&targetServerType=primary"),
            (f"{self.server},127.0.0.1:{free_port()}", "&targetServerType=preferSecondary&loadBalanceHosts=true"),
        ):
            connection = f"jdbc:postgresql://{hosts}/{self.name}?user=postgres{options}"
            self.assertEqual(await self.who(connection), f"@pu:{DOMAIN}")

    @WITH_PGBOUNCER
    async def test_a_plus_in_a_password_is_itself_or_a_blank(self) -> None:
        port = pgbouncer.pgbouncer("session", "default_pool_size = 20").port
        for password in ("one two%2Bthree", "one%20two+three"):
            connection = f"//127.0.0.1:{port}/{self.name}?user=postgres&password={password}"
            self.assertEqual(await self.who(connection), f"@pu:{DOMAIN}")

    async def test_an_error_of_one_query_leaves_the_others_alone(self) -> None:
        query = "SELECT 'me' AS uid WHERE CAST(? AS integer) = 1"
        with self.assertRaisesRegex(Unusable, r"^a query has failed: InvalidTextRepresentation \(22P02\)$"):
            await self.who(self.at(), query)

    async def test_one_address_of_many_that_cannot_be_told_of_leaves_the_others_alone(self) -> None:
        single = "SELECT 'me' AS uid WHERE CAST(? AS integer) = 1"
        bulk = "SELECT 'me' AS uid, a::text AS address FROM (SELECT 1 a) t WHERE ? = 'x' AND a IN (?::integer)"
        connections = [self.at()]
        if pgbouncer.available():
            port = pgbouncer.pgbouncer("transaction").port
            connections.append(f"//127.0.0.1:{port}/{self.name}?user=postgres&password={PASSWORD}")
        asked = [ThreePid("x", "1"), ThreePid("x", "no number"), ThreePid("x", "2")]
        for connection in connections:
            for identity in (Identity(type="uid", query=single), Identity(type="uid", query=single, bulk_query=bulk)):
                config = replace(self.config, type="postgresql", connection=Secret(connection), identity=identity)
                store = self.started(*sql_store("sql", config, reactor, self.user_ids, self.warnings.append))
                assert store.source
                self.assertEqual(await store.source.lookup(asked), {asked[0]: f"@me:{DOMAIN}"})
                with self.assertRaises(Unusable):
                    await store.source.lookup([asked[1], ThreePid("x", "none either")])


@WITH_MARIADB
class MariaDBTests(OptionsCase):
    type_ = "mariadb"
    config = without_operator(OptionsCase.config)

    def setUp(self) -> Any:
        self.connection = databases.in_mariadb()[1]
        return super().setUp()

    async def test_what_is_set_for_the_session_counts(self) -> None:
        query = "SELECT name AS uid FROM addresses WHERE 'a' || 'b' = 'ab' AND address = ?"
        self.assertIsNone(await self.who(self.connection, query))
        for options in (
            "&sessionVariables=sql_mode='PIPES_AS_CONCAT,STRICT_TRANS_TABLES'",
            "&sessionVariables=wait_timeout=600;sql_mode='PIPES_AS_CONCAT'",
        ):
            self.assertEqual(await self.who(self.connection + options, query), ALICE.user_id)
        self.assertEqual(self.warnings, [])

    async def test_asks_the_first_of_several_servers_that_answers(self) -> None:
        connection = self.connection.replace("//", f"jdbc:mariadb:sequential://127.0.0.1:{free_port()},")
        query = "SELECT name AS uid FROM addresses WHERE address = ?"
        self.assertEqual(await self.who(connection, query), ALICE.user_id)

    async def test_an_error_of_one_query_leaves_the_others_alone(self) -> None:
        query = "SELECT name AS uid FROM addresses WHERE address = ? AND name = (SELECT name FROM people)"
        with self.assertRaisesRegex(Unusable, r"^a query has failed: OperationalError \(1242\)$"):
            await self.who(self.connection, query)


class SQLiteTests(OptionsCase):
    type_ = "sqlite"

    async def test_an_error_of_one_query_leaves_the_others_alone(self) -> None:
        connection = databases.in_sqlite(self.mktemp())[1]
        with self.assertRaisesRegex(Unusable, r"^a query has failed: OperationalError \(SQLITE_ERROR\)$"):
            await self.who(connection, "SELECT json_extract(?, '$.uid') AS uid FROM people")


class OptionTests(SynchronousTestCase):
    """What stops the start, and what is said there."""

    def build(self, type_: Any, options: str) -> list[str]:
        warnings: list[str] = []
        config = replace(QUERIES, type=type_, connection=Secret(f"//db.example.org/people?user=me&password=x{options}"))
        sql_store("sql", without_operator(config), reactor, UserIds(DOMAIN), warnings.append)
        return warnings

    def test_what_cannot_be_honoured_stops_the_start(self) -> None:
        for type_, option, problem in (
            (
                "postgresql",
                "socketFactory=com.google.cloud.sql.postgres.SocketFactory",
                "socketFactory: a class of Java",
            ),
            ("postgresql", "sslfactory=org.example.Own", "sslfactory: a class of Java"),
            ("postgresql", "sslmode=full", "sslMode: expected one of disable, "),
            ("postgresql", "stringtype=text", "stringtype: expected one of unspecified, varchar"),
            ("postgresql", "currentSchema=a,,b", "currentSchema: expected the names of schemas"),
            ("postgresql", "options=-S", "options: expected settings of the form -c name=value"),
            ("postgresql", "targetServerType=leader", "targetServerType: expected one of any, "),
            ("postgresql", "prepareThreshold=never", "prepareThreshold: expected a whole number"),
            ("postgresql", "PGHOST=elsewhere", "PGHOST: write it as //host:port/database"),
            ("mysql", "socketFactory=com.google.cloud.sql.mysql.SocketFactory", "socketFactory: a class of Java"),
            ("mysql", "trustCertificateKeyStoreUrl=file:/a.jks", "trustCertificateKeyStoreUrl: a key store of Java"),
            ("mysql", "connectionCollation=latin1_german1_ci", "connectionCollation: expected one of utf8mb4"),
            ("mariadb", "useConfigs=maxPerformance", "useConfigs: write the options themselves"),
            ("mariadb", "sslMode=maybe", "sslMode: expected one of disable, "),
        ):
            with self.assertRaises(ConfigError) as raised:
                self.build(type_, f"&{option}")
            self.assertIn(f"sql.connection: {problem}", str(raised.exception), option)

    def test_what_has_no_effect_is_said(self) -> None:
        for type_, options, warning in (
            ("postgresql", "tcpKeepAlive=true&autosave=always", "without effect here: tcpkeepalive, autosave"),
            ("postgresql", "hidden", "without effect here: one without a value (& in a value is %26)"),
            (
                "mysql",
                "characterEncoding=UTF-8&autoReconnect=true",
                "without effect here: characterencoding, autoreconnect",
            ),
        ):
            self.assertEqual(self.build(type_, f"&{options}"), [f"sql.connection: {warning}"])

    def test_certificates_that_are_not_verified_are_said(self) -> None:
        not_verified = "sql.connection: the certificate of the database is not verified"
        for type_, options, warning in (
            (
                "postgresql",
                "ssl=true&sslfactory=org.postgresql.ssl.NonValidatingFactory",
                "sql.connection: sslfactory: the certificate of the database is not verified",
            ),
            ("mysql", "useSSL=true&verifyServerCertificate=false", not_verified),
            ("mariadb", "sslMode=trust", not_verified),
            (
                "mysql",
                "sslMode=VERIFY_CA",
                "sql.connection: the certificate of the database may be that of another host",
            ),
        ):
            self.assertEqual(self.build(type_, f"&{options}"), [warning], options)
        for options in ("useSSL=true", "sslMode=REQUIRED", "useSSL=false&trustServerCertificate=true"):
            self.assertEqual(self.build("mysql", f"&{options}"), [])
