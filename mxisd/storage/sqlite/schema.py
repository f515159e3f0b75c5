"""
The schema of the database, and upgrades from older versions.

Each ``NNNN.sql`` in the folder ``schema`` upgrades a database from version NNNN - 1 to NNNN; what SQL cannot do follows
in :data:`STEPS`.  The version of a file is in SQLite's ``user_version``.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import cache
from importlib.resources import files
from pathlib import Path

from ...errors import StartError
from ...log import Logger
from ..records import sha256_of
from .respelling import respell

log = Logger()

# SQLite's application_id of all our databases, of whatever version: "mxis" in ASCII.
APPLICATION_ID = 0x6D786973

# Tables by which a database is known that an older identity server has left.
FORMER = {"invite_3pid": "mxisd 1.x or ma1sd", "local_threepid_associations": "Sydent"}

# Bytes of a file that are read as memory, if there are so many; beyond it, pages are copied.
MAPPED = 1 << 30

# Bytes, without which not even an empty database can be made or opened.
_TOO_LITTLE = 1024 * 1024

STEPS: Mapping[int, Callable[[sqlite3.Connection], None]] = {3: respell}
"""By version: what is to be done after the script, in its transaction."""


class UnusableDatabase(StartError):
    """The file is not a database of mxisd, or cannot be opened; the message says why."""


def open_connection(path: Path | str) -> sqlite3.Connection:
    """Open a database for one thread: write-ahead log, and every commit on disk before it is acknowledged."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -16384")  # in KiB; enough for the upper levels of every index
    return connection


def open_to_read(path: Path) -> sqlite3.Connection:
    """
    Open a database for the reactor's thread, which only reads.

    It reads pages where the system has them, without copies: with a million bindings, a hundred hashes take 0.16 ms
    instead of 0.25.  The price is that an error of the disk ends the process, instead of one request, and that what was
    read of the file counts as memory of the process, though the system takes it back when it needs it.
    """
    connection = open_connection(path)
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA mmap_size = {MAPPED}")
    return connection


@cache
def migrations() -> tuple[str, ...]:
    """The SQL scripts, in order."""
    folder = files(__package__) / "schema"
    scripts = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return tuple(script.read_text(encoding="utf-8") for script in scripts)


def upgrade(path: Path) -> None:
    """
    Create the database, or upgrade it to the current schema; the older one is first copied to ``<path>.v<version>``.

    Raises :class:`UnusableDatabase`.
    """
    version = examine(path)
    try:
        _touch(path)
        if version == 0:
            log.info("made the new and empty database {path}", path=path.absolute())
        with closing(open_connection(path)) as connection:
            if 0 < version < len(migrations()):
                _copy(connection, _copy_of(path, version))
            migrate(connection)
    except (OSError, sqlite3.Error) as error:
        raise UnusableDatabase(f"the database {path} cannot be used: {error}{_full(path)}") from error


def _full(path: Path) -> str:
    """What to say more of an error if the disk is full: SQLite speaks of an I/O error then."""
    try:
        left = shutil.disk_usage(path.absolute().parent).free
    except OSError:
        return ""
    return f" (the disk of {path.absolute().parent} is full: {left // 1024} KiB are left)" if left < _TOO_LITTLE else ""


def examine(path: Path) -> int:
    """
    See whether :func:`upgrade` would succeed, without making or changing anything; the schema version of the database.

    Raises :class:`UnusableDatabase`.
    """
    try:
        _check_places(Path(os.path.realpath(path)))
        if not path.exists():
            return 0
        with closing(sqlite3.connect(_read_only(path), uri=True)) as connection:
            version = _version(connection, path)
        if 0 < version < len(migrations()) and (copy := _copy_of(path, version)).is_dir():
            raise IsADirectoryError(f"it has to be upgraded, and the copy to keep of it, {copy}, is a folder")
    except (OSError, sqlite3.Error) as error:
        raise UnusableDatabase(f"the database {path} cannot be used: {error}") from error
    return version


def is_unused(path: Path) -> bool:
    """Whether there is no database, or one that no invite has ever been in: a start that failed has left it so."""
    if not path.exists():
        return True
    try:
        with closing(sqlite3.connect(_read_only(path), uri=True)) as connection:
            used = connection.execute("SELECT 1 FROM invites UNION ALL SELECT 1 FROM cooldowns LIMIT 1").fetchone()
    except sqlite3.Error:
        return False  # whoever opens it will say why
    return used is None


def copy_to(path: Path, target: Path) -> None:
    """Copy a database, if there is one that :func:`examine` has no objection to, and leave it as it is."""
    if examine(path):
        with closing(sqlite3.connect(_read_only(path), uri=True)) as connection:
            _copy_into(connection, target)


def _check_places(path: Path) -> None:
    """Whether a file is where it can be written, or can be made."""
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise FileNotFoundError(f"the folder {path.parent} is missing or not writable")
    if not path.exists():
        return
    if not path.is_file():
        raise FileExistsError("it is no file")
    if not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError("it cannot be read and written by this user")


def _read_only(path: Path) -> str:
    """The URI that has SQLite leave a database as it is: it would make a log, whose owner would be this user."""
    logged = os.path.lexists(f"{path}-wal")
    return f"{path.absolute().as_uri()}?mode=ro{'' if logged else '&immutable=1'}"


def _copy_of(path: Path, version: int) -> Path:
    return path.with_name(f"{path.name}.v{version}")


def _touch(path: Path) -> None:
    # It holds addresses and keys of invites, so nobody else may ever read it.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The schema version of a database, 0 for an empty one; nothing is changed."""
    if connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
        return 0
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise UnusableDatabase(f"the database {path} was not made by this mxisd; {_advice(connection, path)}")
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    newest = len(migrations())
    if version > newest:
        raise UnusableDatabase(
            f"the database {path} has schema version {version}, made by a newer mxisd; this one knows {newest}"
        )
    return version


def _advice(connection: sqlite3.Connection, path: Path) -> str:
    """What to do about a database that is not ours."""
    for table, server in FORMER.items():
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
            command = f"mxisd migrate --from {path} --to mxisd.yaml"
            return f"it is {server}'s: name a new file here, and '{command}' fills it with what is in this one"
    return "name another file"


def _copy(connection: sqlite3.Connection, path: Path) -> None:
    log.info("upgrading the database to a new schema; a copy of the old one is kept at {path}", path=path)
    _copy_into(connection, path)


def _copy_into(connection: sqlite3.Connection, path: Path) -> None:
    _touch(path)
    with closing(sqlite3.connect(path)) as target:
        connection.backup(target)


def migrate(connection: sqlite3.Connection) -> None:
    """Run the scripts that are newer than the database, each in one transaction together with its version."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.create_function("sha256", 1, sha256_of, deterministic=True)
    for number, script in enumerate(migrations()[version:], start=version + 1):
        connection.executescript(
            f"BEGIN; {script}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number};"
        )
        if step := STEPS.get(number):
            step(connection)
        connection.execute("COMMIT")
