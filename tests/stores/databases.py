"""Databases with the people under test in them, and the queries that find them there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any
from uuid import uuid4

import psycopg
import pymysql
from msgspec.structs import replace

from mxisd.config.engine.section import Secret
from mxisd.config.sql import Directory, DirectoryQueries, Identity, Profile, Query, RoleQuery, Sql, TypedQuery
from mxisd.reactor import installed_reactor
from mxisd.stores.sql.build import sql_store
from mxisd.stores.store import Store
from tests.servers.mariadb import mariadb
from tests.servers.postgresql import postgresql
from tests.stores import contract
from tests.stores.people import PEOPLE, Person

reactor = installed_reactor()

SCHEMA = (
    "CREATE TABLE people (name VARCHAR(100) PRIMARY KEY, user_id VARCHAR(200), display_name VARCHAR(100))",
    "CREATE TABLE addresses (name VARCHAR(100), medium VARCHAR(20), address VARCHAR(100))",
    "CREATE TABLE roles (name VARCHAR(100), role VARCHAR(100))",
    "CREATE INDEX by_address ON addresses (medium, address)",
)
QUERIES = Sql(
    enabled=True,
    directory=Directory(
        query=DirectoryQueries(
            name=TypedQuery(
                type="localpart",
                value="SELECT name, display_name FROM people WHERE lower(display_name) LIKE '%' || lower(?) || '%'",
            ),
            threepid=TypedQuery(
                type="mxid",
                value="SELECT DISTINCT p.user_id, p.display_name FROM people p JOIN addresses a ON a.name = p.name"
                " WHERE lower(a.address) LIKE '%' || lower(?) || '%'",
            ),
        )
    ),
    identity=Identity(
        type="uid", query="SELECT name AS uid FROM addresses WHERE medium = ? AND address = ? -- who's that?"
    ),
    profile=Profile(
        display_name=Query(query="SELECT display_name FROM people WHERE user_id = ?"),
        threepid=Query(
            query="SELECT medium, address FROM addresses a JOIN people p ON p.name = a.name WHERE p.user_id = ?"
        ),
        role=RoleQuery(type="uid", query="SELECT role FROM roles WHERE lower(name) = ? OR name = ?"),
    ),
    lookup=Query(query="SELECT name AS mxid, medium, address FROM addresses"),
)
BULK = "SELECT name AS uid, address FROM addresses WHERE medium = ? AND address IN (?)"


def without_operator(config: Sql) -> Sql:
    """The same for MariaDB, where ``||`` means OR."""

    def concat(query: TypedQuery) -> TypedQuery:
        assert query.value is not None
        return replace(query, value=query.value.replace("'%' || lower(?) || '%'", "CONCAT('%', lower(?), '%')"))

    queries = config.directory.query
    query = replace(queries, name=concat(queries.name), threepid=concat(queries.threepid))
    return replace(config, directory=replace(config.directory, query=query))


def with_bulk(config: Sql) -> Sql:
    return replace(config, identity=replace(config.identity, bulk_query=BULK))


def fill(cursor: Any, placeholder: str, people: Sequence[Person] = PEOPLE) -> None:
    """Make the tables, with people in them."""
    for statement in SCHEMA:
        cursor.execute(statement)

    def insert(table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        rows = list(rows)
        if not rows:
            return
        values = ", ".join([placeholder] * len(rows[0]))
        cursor.executemany(f"INSERT INTO {table} VALUES ({values})", rows)  # noqa: S608 - written here

    insert("people", ((person.name, person.user_id, person.display_name) for person in people))
    insert(
        "addresses",
        ((person.name, medium, typed.removeprefix("+")) for person in people for medium, typed in person.typed),
    )
    insert("roles", ((person.name, role) for person in people for role in person.roles))


class SqlCase(contract.StoreCase):
    """The store on some database."""

    config: Sql = QUERIES

    def make(self) -> tuple[str, str]:
        """Type and connection of a new database with the tables."""
        raise NotImplementedError

    async def build(self) -> Store:
        type_, connection = self.make()
        config = replace(self.config, type=type_, connection=Secret(connection))
        return self.started(*sql_store("sql", config, reactor, self.user_ids, self.warnings.append))


class SqlContract(
    SqlCase,
    contract.SourceContract,
    contract.ProfilesContract,
    contract.DirectoryContract,
    contract.ListingContract,
):
    """What the store promises on each kind of database."""


def in_sqlite(path: str, people: Sequence[Person] = PEOPLE) -> tuple[str, str]:
    """Type and connection of a new file with the tables."""
    with closing(sqlite3.connect(path)) as database:
        fill(database, "?", people)
        database.commit()
    return "sqlite", path


def in_postgresql(people: Sequence[Person] = PEOPLE) -> tuple[str, str]:
    """The same, on the server of the tests."""
    name = new_in_postgresql()
    with psycopg.connect(f"host=127.0.0.1 port={postgresql().port} user=postgres dbname={name}") as database:
        fill(database.cursor(), "%s", people)
    return "postgresql", f"//127.0.0.1:{postgresql().port}/{name}?user=postgres&password=any"


def new_in_postgresql(template: str = "template0") -> str:
    """The name of a new database, which is empty, or a copy of another."""
    name = f"people_{uuid4().hex}"
    with postgresql_admin() as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return name


def postgresql_admin() -> psycopg.Connection[Any]:
    return psycopg.connect(f"host=127.0.0.1 port={postgresql().port} user=postgres", autocommit=True)


def in_mariadb(people: Sequence[Person] = PEOPLE) -> tuple[str, str]:
    """The same, on the server of the tests."""
    server = mariadb()
    name = f"people_{uuid4().hex}"
    with closing(mariadb_admin()) as admin:
        admin.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        admin.select_db(name)
        fill(admin.cursor(), "%s", people)
    return "mariadb", f"//127.0.0.1:{server.port}/{name}?user={server.user}&password=se%25cr%26t?"


def mariadb_admin() -> Any:
    server = mariadb()
    return pymysql.connect(
        host="127.0.0.1", port=server.port, user=server.user, password=server.password, autocommit=True
    )
