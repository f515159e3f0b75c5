"""A PgBouncer in front of the PostgreSQL of the tests."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from tests.integration.process import Process, free_port, listens
from tests.servers.folder import folder
from tests.servers.postgresql import postgresql

PASSWORD = "one two+three"

_CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {folder}/users.txt
pool_mode = {mode}
default_pool_size = 1
{more}
"""


class PgBouncer:
    """Lets ``postgres`` in with :data:`PASSWORD`; all clients share one connection to each database."""

    def __init__(self, mode: str, more: str = "") -> None:
        self.port = free_port()
        where = folder("pgbouncer")
        (where / "users.txt").write_text(f'"postgres" "{PASSWORD}"\n')
        text = _CONFIGURATION.format(server=postgresql().port, port=self.port, folder=where, mode=mode, more=more)
        (where / "pgbouncer.ini").write_text(text)
        # It refuses to run as root.
        as_user: list[str | Path] = []
        if os.getuid() == 0:
            as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            # A change of user forgets the signal that was asked for.
            as_user += ["setpriv", "--pdeathsig", "TERM"]
            shutil.chown(where, "postgres", "postgres")
        self.process = Process([*as_user, "pgbouncer", where / "pgbouncer.ini"], where.with_suffix(".log"))
        self.process.wait_until(lambda: listens(self.port))

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement as another client of it would; the rows that it returns."""
        where = f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres password='{PASSWORD}'"
        with psycopg.connect(where, autocommit=True, prepare_threshold=None) as connection:
            return connection.execute(sql).fetchall()


@cache
def pgbouncer(mode: str, more: str = "") -> PgBouncer:
    """The one of a mode, ``session`` or ``transaction``, that all tests share; ``more`` are further settings."""
    return PgBouncer(mode, more)


def available() -> bool:
    """Whether it is installed."""
    return shutil.which("pgbouncer") is not None
