"""The index of hashed addresses."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from msgspec import json

from ...matrix.hashing import digest
from ...matrix.threepid import ThreePid
from ..records import Pepper
from .database import Database

# The source of what we have bound ourselves; being the empty string, it sorts before all others.
BINDINGS = ""


class SQLiteHashes:
    """:class:`mxisd.storage.contract.Hashes` on SQLite."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def peppers(self) -> list[Pepper]:
        return await self._database.read(_peppers)

    async def rotate(self, pepper: Pepper, keep: int) -> None:
        await self._database.write(_rotate, pepper, keep)

    async def find(self, pepper: str, digests: Sequence[str]) -> dict[str, str] | None:
        found = await self._database.find(_find, digests, pepper)
        return None if found is None else {digest: found[digest] for digest in digests if digest in found}

    async def replace(self, source: str, pepper: str, entries: Iterable[tuple[str, str]]) -> None:
        await self._database.write(_replace, source, pepper, entries)


def index_binding(db: sqlite3.Connection, threepid: ThreePid, mxid: str) -> None:
    """Index a new binding under every pepper in use."""
    db.executemany(
        "INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)",
        [(digest(threepid, row["pepper"]), BINDINGS, row["id"], mxid) for row in _rows(db)],
    )


def forget_binding(db: sqlite3.Connection, threepid: ThreePid) -> None:
    """Take a binding that is no more out of the index."""
    db.executemany(
        "DELETE FROM hashes WHERE digest = ? AND source = ?",
        [(digest(threepid, row["pepper"]), BINDINGS) for row in _rows(db)],
    )


def _rows(db: sqlite3.Connection) -> list[sqlite3.Row]:
    return db.execute("SELECT id, pepper, made_at FROM peppers ORDER BY id DESC").fetchall()


def _peppers(db: sqlite3.Connection) -> list[Pepper]:
    return [Pepper(pepper=row["pepper"], made_at=row["made_at"]) for row in _rows(db)]


def _rotate(db: sqlite3.Connection, pepper: Pepper, keep: int) -> None:
    made = db.execute("INSERT INTO peppers (pepper, made_at) VALUES (?, ?)", (pepper.pepper, pepper.made_at))
    for stale in _rows(db)[keep:]:
        db.execute("DELETE FROM hashes WHERE pepper = ?", (stale["id"],))
        db.execute("DELETE FROM peppers WHERE id = ?", (stale["id"],))
    db.executemany(
        "INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)",
        (
            (digest(ThreePid(row["medium"], row["address"]), pepper.pepper), BINDINGS, made.lastrowid, row["mxid"])
            for row in db.execute("SELECT medium, address, mxid FROM bindings")
        ),
    )


def _find(db: sqlite3.Connection, digests: list[str], pepper: str) -> dict[str, str] | None:
    known = db.execute("SELECT id FROM peppers WHERE pepper = ?", (pepper,)).fetchone()
    if known is None:
        return None
    # One row: each row that is fetched costs the thread a wait for the interpreter.  Of several sources the first
    # counts, since it is read last.
    row = db.execute(
        """SELECT json_group_object(digest, mxid) FROM (
               SELECT digest, mxid FROM json_each(?) AS asked CROSS JOIN hashes ON digest = asked.value
               WHERE pepper = ? ORDER BY source DESC)""",
        (json.encode(digests).decode(), known["id"]),
    ).fetchone()
    return json.decode(row[0], type=dict[str, str])


def _replace(db: sqlite3.Connection, source: str, pepper: str, entries: Iterable[tuple[str, str]]) -> None:
    known = db.execute("SELECT id FROM peppers WHERE pepper = ?", (pepper,)).fetchone()
    if known is None:
        return
    db.execute("DELETE FROM hashes WHERE source = ? AND pepper = ?", (source, known["id"]))
    db.executemany(
        "INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)",
        ((digest_, source, known["id"], mxid) for digest_, mxid in entries),
    )
