"""A PostgreSQL."""

from __future__ import annotations

import os
import shutil
import signal
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
    """Lets everyone in as ``postgres`` with any password; ``settings`` are what a test wants otherwise."""

    def __init__(self, **settings: str) -> None:
        self.port = free_port()
        self.folder = folder("postgresql")
        self._as_user: list[str] = []
        if os.getuid() == 0:
            # It refuses to run as root.
            shutil.chown(self.folder, "postgres", "postgres")
            self._as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        make: list[str | Path] = [*self._as_user, _binary("initdb"), "-D", self.folder / "data", *options]
        subprocess.run(make, check=True, capture_output=True)
        usual = {"listen_addresses": "127.0.0.1", "fsync": "off", "unix_socket_directories": str(self.folder)}
        self._settings = usual | settings
        self.start()

    def start(self) -> None:
        """Start, and wait until it lets clients in."""
        # A change of user forgets the signal that was asked for.
        again = ["setpriv", "--pdeathsig", "TERM"]
        set_all = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        self.process = Process(
            [*self._as_user, *again, _binary("postgres"), "-D", self.folder / "data", "-p", str(self.port), *set_all],
            self.folder.with_suffix(".log"),
        )
        # It listens before it lets anybody in.
        ask: list[str | Path] = [_binary("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        self.process.wait_until(lambda: subprocess.run(ask).returncode == 0)

    def crash(self) -> None:
        """End it as a fault of the machine would; nothing, if it has ended already."""
        self.process.signal(signal.SIGQUIT)
        self.process.wait()

    def stall(self) -> None:
        """Let it stand still, with all that serve clients: connections stay, nothing is answered."""
        self._signal_all(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: int) -> None:
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            os.kill(each, number)

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
        """Run statements; the rows that the last one returns."""
        where = f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"
        with psycopg.connect(where, autocommit=True) as connection:
            cursor = connection.execute(sql)
            while cursor.nextset():
                pass
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
