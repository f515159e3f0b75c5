"""A copy of a database that is in use."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from ..contract import StorageUnavailable
from ..copy import CopyFailed


def back_up(database: Path, target: Path) -> dict[str, int]:
    """
    Copy a database as it is at one moment, whoever writes to it meanwhile; returns how many rows each table has.

    The copy is one file, which only its owner reads; it is there when it is whole and compared.  Raises
    :class:`CopyFailed`, :class:`StorageUnavailable`, :class:`OSError`.
    """
    if target.exists():
        raise CopyFailed(f"{target} is there already")
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        counts = _copied(database, partial)
        os.replace(partial, target)  # noqa: PTH105  # in one step
    except sqlite3.Error as error:
        raise StorageUnavailable(f"{database}: {error}") from None
    finally:
        partial.unlink(missing_ok=True)
    return counts


def _copied(database: Path, partial: Path) -> dict[str, int]:
    with (
        closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(partial)) as copy,
    ):
        # What is read in one transaction is of one moment; nobody has to wait for it.
        source.execute("BEGIN")
        expected = _counts(source)
        source.backup(copy)
        # In one file, without a -wal beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
        (verdict,) = copy.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok" or _counts(copy) != expected:
            raise CopyFailed(f"the copy is not what it should be: {verdict}")
        return expected


def _counts(db: sqlite3.Connection) -> dict[str, int]:
    names = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
    return {name: db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}  # noqa: S608
