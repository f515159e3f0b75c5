"""Databases of a Synapse, with the tables that a real one makes and the people under test in them."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from msgspec.structs import replace

from mxisd.config.engine.section import Secret
from mxisd.config.sql import SynapseSql
from mxisd.reactor import installed_reactor
from mxisd.stores.sql.build import synapse_store
from mxisd.stores.store import Entry, Store
from tests.servers.folder import folder
from tests.servers.postgresql import postgresql
from tests.stores import contract, databases
from tests.stores.people import ALICE, CAROL, DOMAIN, PEOPLE

reactor = installed_reactor()

PYTHON = Path(__file__).parents[2] / ".cache" / "synapse-venv" / "bin" / "python"


def has(module: str) -> bool:
    """Whether Synapse's Python has a module."""
    return PYTHON.exists() and subprocess.run([PYTHON, "-c", f"import {module}"], capture_output=True).returncode == 0


def fill(cursor: Any, mark: str) -> None:
    """Put all people in, and some who must not be found."""

    def insert(table: str, columns: str, *rows: tuple[Any, ...]) -> None:
        marks = ", ".join([mark] * len(rows[0]))
        cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)  # noqa: S608 - written here

    users = [(person.user_id, 0, 0, None) for person in PEOPLE]
    hidden = [
        (f"@guest:{DOMAIN}", 1, 0, None),
        (f"@gone:{DOMAIN}", 0, 1, None),
        (f"@bridged:{DOMAIN}", 0, 0, "irc"),
    ]
    insert("users", "name, is_guest, deactivated, appservice_id", *users, *hidden)
    insert(
        "profiles",
        "user_id, full_user_id, displayname, avatar_url",
        *(
            (person.user_id[1:].partition(":")[0], person.user_id, person.display_name, f"mxc://{DOMAIN}/{person.name}")
            for person in PEOPLE
        ),
        *((user[0][1:].partition(":")[0], user[0], "Alice Arnold the Hidden", None) for user in hidden),
    )
    insert(
        "user_threepids",
        "user_id, medium, address, validated_at, added_at",
        *(
            (person.user_id, medium, typed.removeprefix("+"), 1, 1)
            for person in PEOPLE
            for medium, typed in person.typed
        ),
    )


class SynapseCase(contract.StoreCase):
    config = SynapseSql(enabled=True, published="all")

    def make(self) -> tuple[str, str]:
        """Type and connection of a database of a Synapse."""
        raise NotImplementedError

    async def build(self) -> Store:
        type_, connection = self.make()
        config = replace(self.config, type=type_, connection=Secret(connection))
        return self.started(*synapse_store("synapseSql", config, DOMAIN, reactor, self.user_ids, self.warnings.append))


class SynapseContract(
    SynapseCase,
    contract.SourceContract,
    contract.ProfilesContract,
    contract.DirectoryContract,
    contract.ListingContract,
):
    async def test_knows_the_roles_of_its_users(self) -> None:
        self.assertEqual(await self.profiles.roles(ALICE.user_id), frozenset())

    async def test_shows_avatars(self) -> None:
        (found,) = await self.directory.search_by_name("arnold", 10)
        self.assertEqual(found, Entry(ALICE.user_id, ALICE.display_name, f"mxc://{DOMAIN}/alice"))

    async def test_finds_users_by_their_localpart_but_not_by_the_domain_of_all(self) -> None:
        self.assertEqual([entry.user_id for entry in await self.directory.search_by_name("caro", 10)], [CAROL.user_id])
        self.assertEqual(await self.directory.search_by_name(DOMAIN, 10), [])


def in_sqlite(path: str) -> tuple[str, str]:
    """Type and connection of a new file of a Synapse."""
    return "sqlite", str(Path(shutil.copyfile(_file(), path)).absolute())


def in_postgresql() -> tuple[str, str]:
    """The same, on the server of the tests."""
    return "postgresql", f"postgresql://postgres:any@127.0.0.1:{postgresql().port}/{_on_server()}"


def in_new_postgresql() -> tuple[str, str]:
    """The same, for tests that write to it."""
    name = databases.new_in_postgresql(_on_server())
    return "postgresql", f"postgresql://postgres:any@127.0.0.1:{postgresql().port}/{name}"


@cache
def _file() -> Path:
    path = folder("synapse") / "homeserver.db"
    _make_tables("sqlite3", database=str(path))
    with closing(sqlite3.connect(path)) as database:
        fill(database, "?")
        database.commit()
    return path


@cache
def _on_server() -> str:
    # Nobody writes to it.
    name, port = databases.new_in_postgresql(), postgresql().port
    _make_tables("psycopg2", host="127.0.0.1", port=port, user="postgres", dbname=name)
    with psycopg.connect(f"host=127.0.0.1 port={port} user=postgres dbname={name}") as database:
        fill(database.cursor(), "%s")
    return name


def _make_tables(engine: str, **arguments: Any) -> None:
    script = Path(__file__).with_name("synapse_schema.py")
    subprocess.run([PYTHON, script, engine, json.dumps(arguments)], check=True, stdout=subprocess.DEVNULL)
