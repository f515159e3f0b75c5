"""The files, the sockets and the ports that configurations of the tables point to."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
from contextlib import closing
from functools import cache
from pathlib import Path
from shutil import copy, copytree
from typing import Any

import yaml

from mxisd.storage.sqlite.schema import APPLICATION_ID, migrations, upgrade
from tests.integration.process import free_port
from tests.net.servers import Authority
from tests.servers.folder import folder as temporary_folder
from tests.start.rows import Keys, Row

LEAST: Keys = {
    "matrix.domain": "example.org",
    "server.bind": "tcp:FREE:interface=127.0.0.1",
    # Those of the system would be asked for the names in it.
    "outbound.nameservers": "127.0.0.1:9",
    "threepid.medium.email.connector": "none",
    # Others on this machine may listen there.
    "metrics.enabled": False,
}
_MAIL = "Subject: Hello\n\n%NOBODY_KNOWS%\n"
_LINKS = {
    "link-to-ours.db": "ours.db",
    "link-to-new": "new",
    "link-to-absent": "absent/new",
    "link-to-itself": "link-to-itself",
}


class World:
    """A folder, and a port that somebody listens at."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._held: list[socket.socket] = []
        copytree(_files(), folder, symlinks=True, dirs_exist_ok=True)
        self._sockets()

    def config(self, row: Row) -> Path:
        """The file of a configuration."""
        text = row.config if isinstance(row.config, str) else yaml.safe_dump(_nested({**LEAST, **row.config}))
        path = self._folder / "mxisd.yaml"
        path.write_text(self.said(text))
        return path

    def said(self, text: str) -> str:
        """What is there, for the words in capital letters."""
        used = self._held[0].getsockname()[1]
        return text.replace("FOLDER", str(self._folder)).replace("USED", str(used)).replace("FREE", str(self._port))

    def names(self) -> set[str]:
        """All that is in the folder."""
        return {path.name for path in self._folder.rglob("*")}

    def close(self) -> None:
        for held in self._held:
            held.close()

    def _sockets(self) -> None:
        port = self._hold(socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]
        self._hold(socket.AF_INET6, ("::1", port))
        self._hold(socket.AF_UNIX, str(self._folder / "used.sock"))
        for name in ("stale.sock", "left.sock"):
            self._hold(socket.AF_UNIX, str(self._folder / name)).close()
        locks = {"used": os.getpid(), "stale": _ended(), "locked": os.getpid(), "odd": "nobody"}
        for name, pid in locks.items():
            (self._folder / f"{name}.sock.lock").symlink_to(str(pid))

    def _hold(self, family: socket.AddressFamily, address: Any) -> socket.socket:
        held = socket.socket(family)
        held.bind(address)
        held.listen(1)
        self._held.append(held)
        return held


def _nested(keys: Keys) -> dict[str, Any]:
    """As a file has them that were written with dots; without those that are ``None``."""
    found: dict[str, Any] = {}
    for key, value in keys.items():
        *sections, name = key.split(".")
        section = found
        for part in sections:
            section = section.setdefault(part, {})
        if value is not None:
            section[name] = value
    return found


@cache
def _ended() -> int:
    """The ID of a process that is no more."""
    with subprocess.Popen(["true"]) as process:
        return process.pid


@cache
def _files() -> Path:
    """A folder to be copied: to make a database takes longer."""
    folder = temporary_folder("start")
    texts = {
        "empty": "",
        "page.html": "<html></html>",
        "good.eml": "Subject: Hello\n\n%DOMAIN%\n",
        "unknown.eml": _MAIL,
        "translated.eml": "Subject: Hello\n\nGood day\n",
        "translated.de.eml": _MAIL,
        "parts.eml": "Subject: Hello\nContent-Type: multipart/mixed\n\nNo parts\n",
        "charset.eml": "Subject: Hello\nContent-Type: text/plain; charset=runes\n\nGood day\n",
        "sydent.conf": f"[crypto]\ned25519.signingkey = ed25519 0 {'A' * 43}\n",
        "two.key": f"ed25519 0 {'A' * 43}\ned25519 1 {'B' * 42}A\n",
        **_certificates(),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "garbage").write_bytes(b"\xff\x00 garbage \xfe" * 100)
    for name in ("folder", "blocked.db-wal", "old.db.v1"):
        (folder / name).mkdir()
    for name, target in _LINKS.items():
        (folder / name).symlink_to(target)
    _databases(folder)
    return folder


def _databases(folder: Path) -> None:
    upgrade(folder / "ours.db")
    copy(folder / "ours.db", folder / "blocked.db")
    ours = f"PRAGMA application_id = {APPLICATION_ID}"
    scripts = {
        "older.db": f"{migrations()[0]}; {ours}; PRAGMA user_version = 1",
        "old.db": f"{migrations()[0]}; {ours}; PRAGMA user_version = 1",
        "foreign.db": "CREATE TABLE a (b)",
        "mxisd-1.db": "CREATE TABLE invite_3pid (id)",
        "sydent.db": "CREATE TABLE local_threepid_associations (id); PRAGMA user_version = 5",
        "marked.db": "CREATE TABLE a (b); PRAGMA application_id = 1; PRAGMA user_version = 1",
        "newer.db": f"CREATE TABLE a (b); {ours}; PRAGMA user_version = 99",
    }
    for name, script in scripts.items():
        with closing(sqlite3.connect(folder / name)) as connection:
            connection.executescript(script)


def _certificates() -> dict[str, str]:
    # Where the authority keeps its own certificate is of no interest.
    authority = Authority(Path(os.devnull))
    both, other = (authority.pem("localhost").decode() for _ in range(2))
    certificate, end, key = both.partition("-----END CERTIFICATE-----\n")
    return {"own.pem": both, "certificate.pem": certificate + end, "key.pem": key, "other.pem": other}
