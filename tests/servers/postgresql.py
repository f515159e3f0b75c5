"""A PostgreSQL."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from tests.integration.process import Process, free_port
from tests.servers.folder import folder

_BINARIES = "/usr/lib/postgresql/*/bin"
_serial = count(1)


class PostgreSQL:
    """Lets everyone in as ``postgres`` with any password."""

    def __init__(self) -> None:
        self.port = free_port()
        where = folder("postgresql")
        data = where / "data"
        as_user: list[str] = []
        if os.getuid() == 0:
            # It refuses to run as root.
            shutil.chown(where, "postgres", "postgres")
            as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run([*as_user, _binary("initdb"), "-D", data, *options], check=True, capture_output=True)
        settings = ["listen_addresses=127.0.0.1", "fsync=off", f"unix_socket_directories={where}"]
        # A change of user forgets the signal that was asked for.
        again = ["setpriv", "--pdeathsig", "TERM"]
        set_all = [part for setting in settings for part in ("-c", setting)]
        self.process = Process(
            [*as_user, *again, _binary("postgres"), "-D", data, "-p", str(self.port), *set_all],
            where.with_suffix(".log"),
        )
        # It listens before it lets anybody in.
        ask: list[str | Path] = [_binary("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        self.process.wait_until(lambda: subprocess.run(ask).returncode == 0)

    def load(self, dump: Path) -> str:
        """Make a database of what pg_dump wrote; returns its name."""
        name = f"dump{next(_serial)}"
        self.execute(f"CREATE DATABASE {name}")
        where = f"host=127.0.0.1 port={self.port} user=postgres dbname={name}"
        with dump.open() as file:
            command: list[str | Path] = [_binary("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", where]
            subprocess.run(command, stdin=file, check=True, capture_output=True)
        return name

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement; the rows that it returns."""
        where = f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"
        with psycopg.connect(where, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []


@cache
def postgresql() -> PostgreSQL:
    """The one that all tests share."""
    return PostgreSQL()


def available() -> bool:
    """Whether it is installed."""
    return bool(_found("initdb"))


def _found(name: str) -> list[Path]:
    return sorted(Path("/").glob(f"{_BINARIES}/{name}"[1:]))


def _binary(name: str) -> Path:
    return _found(name)[-1]
