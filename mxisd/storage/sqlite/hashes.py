"""The index of hashed addresses."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import islice

from msgspec import json

from ...matrix.hashing import digest
from ...matrix.threepid import ThreePid
from ..records import Pepper
from .database import Database

# The source of what we have bound ourselves; being the empty string, it sorts before all others.
BINDINGS = ""
# Whatever concerns a whole listing goes in steps of so many hashes: others want to write as well.
STEP = 1000


class SQLiteHashes:
    """
    :class:`mxisd.storage.contract.Hashes` on SQLite.

    A listing is what one source lists under one pepper.  It is made aside, and counts once it is complete; the hashes
    of a listing that is no more are garbage, which is swept up bit by bit.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rotating = False

    async def peppers(self) -> list[Pepper]:
        return await self._database.read(_peppers)

    async def rotate(self, pepper: Pepper, *, after: str | None, keep: int) -> bool:
        if self._rotating:
            return False
        self._rotating = True
        try:
            return await self._rotate(pepper, after, keep)
        finally:
            self._rotating = False

    async def _rotate(self, pepper: Pepper, after: str | None, keep: int) -> bool:
        listing = await self._database.write(_begin, pepper, after)
        if listing is None:
            return False
        last: ThreePid | None = ThreePid("", "")
        while last is not None:
            last = await self._database.write(_index_some, listing, pepper.pepper, last)
        await self._database.write(_finish, listing, keep)
        await self._sweep()
        return True

    async def find(self, pepper: str, digests: Sequence[str]) -> dict[str, str] | None:
        found = await self._database.find(_find, digests, pepper)
        return None if found is None else {digest: found[digest] for digest in digests if digest in found}

    async def replace(self, source: str, pepper: str, entries: Iterable[tuple[str, str]]) -> None:
        listing = await self._database.write(_begin_source, pepper, source)
        entries = iter(entries)
        while listing is not None and (some := list(islice(entries, STEP))):
            await self._database.write(_list_some, listing, some)
        if listing is not None:
            await self._database.write(_publish, listing)
            await self._sweep()

    async def _sweep(self) -> None:
        while await self._database.write(_sweep_some):
            pass


def index_binding(db: sqlite3.Connection, threepid: ThreePid, mxid: str) -> None:
    """Index a new binding under every pepper, also one whose listing is being made."""
    db.executemany(
        "INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)",
        [(row["id"], digest(threepid, row["pepper"]), mxid) for row in _of_bindings(db)],
    )


def forget_binding(db: sqlite3.Connection, threepid: ThreePid) -> None:
    """Take a binding that is no more out of the index."""
    db.executemany(
        "DELETE FROM hashes WHERE listing = ? AND digest = ?",
        [(row["id"], digest(threepid, row["pepper"])) for row in _of_bindings(db)],
    )


def _of_bindings(db: sqlite3.Connection) -> list[sqlite3.Row]:
    return db.execute(
        "SELECT id, pepper, made_at, complete FROM listings WHERE source = '' ORDER BY id DESC"
    ).fetchall()


def _peppers(db: sqlite3.Connection) -> list[Pepper]:
    return [Pepper(pepper=row["pepper"], made_at=row["made_at"]) for row in _of_bindings(db) if row["complete"]]


def _begin(db: sqlite3.Connection, pepper: Pepper, after: str | None) -> int | None:
    peppers = [known.pepper for known in _peppers(db)]
    if pepper.pepper in peppers or (peppers[0] if peppers else None) != after:
        return None
    # An incomplete one is left from a process that ended in the middle.
    db.execute("DELETE FROM listings WHERE source = '' AND NOT complete")
    return _new_listing(db, pepper.pepper, BINDINGS, pepper.made_at)


def _new_listing(db: sqlite3.Connection, pepper: str, source: str, made_at: int | None = None) -> int | None:
    return db.execute(
        "INSERT INTO listings (pepper, source, made_at) VALUES (?, ?, ?)", (pepper, source, made_at)
    ).lastrowid


def _index_some(db: sqlite3.Connection, listing: int, pepper: str, last: ThreePid) -> ThreePid | None:
    """Index the bindings after one, in the order of their key; return the last of them if there may be more."""
    rows = db.execute(
        "SELECT medium, address, mxid FROM bindings WHERE (address, medium) > (?, ?) ORDER BY address, medium LIMIT ?",
        (last.address, last.medium, STEP),
    ).fetchall()
    hashed = ((listing, digest(ThreePid(medium, address), pepper), mxid) for medium, address, mxid in rows)
    db.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)", hashed)
    return ThreePid(rows[-1]["medium"], rows[-1]["address"]) if len(rows) == STEP else None


def _finish(db: sqlite3.Connection, listing: int, keep: int) -> None:
    db.execute("UPDATE listings SET complete = 1 WHERE id = ?", (listing,))
    db.execute(
        """DELETE FROM listings WHERE pepper NOT IN (
               SELECT pepper FROM listings WHERE source = '' AND complete ORDER BY id DESC LIMIT ?)""",
        (keep,),
    )


def _find(db: sqlite3.Connection, digests: list[str], pepper: str) -> dict[str, str] | None:
    listings = json.decode(
        db.execute(
            """SELECT json_group_array(id) FROM (
                   SELECT id FROM listings WHERE pepper = ? AND complete ORDER BY source DESC)""",
            (pepper,),
        ).fetchone()[0]
    )
    if not listings:
        return None
    asked = json.encode(digests).decode()
    found: dict[str, str] = {}
    # Of several sources the first counts, since it is read last.
    for listing in listings:
        # One row: each row that is fetched costs the thread a wait for the interpreter.
        (answer,) = db.execute(
            """SELECT json_group_object(digest, mxid) FROM json_each(?) AS asked
               CROSS JOIN hashes ON listing = ? AND digest = asked.value""",
            (asked, listing),
        ).fetchone()
        found |= json.decode(answer, type=dict[str, str])
    return found


def _begin_source(db: sqlite3.Connection, pepper: str, source: str) -> int | None:
    if pepper not in {known.pepper for known in _peppers(db)}:
        return None
    return _new_listing(db, pepper, source)


def _list_some(db: sqlite3.Connection, listing: int, entries: Iterable[tuple[str, str]]) -> None:
    db.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)", ((listing, *entry) for entry in entries))


def _publish(db: sqlite3.Connection, listing: int) -> None:
    """Let a listing take the place of older ones; without effect if it was overtaken, or its pepper is no more."""
    db.execute(
        """DELETE FROM listings AS old WHERE EXISTS (
               SELECT 1 FROM listings WHERE id = ? AND source = old.source AND pepper = old.pepper AND id > old.id)""",
        (listing,),
    )
    db.execute("UPDATE listings SET complete = 1 WHERE id = ?", (listing,))


def _sweep_some(db: sqlite3.Connection) -> bool:
    """Delete some of the hashes whose listing is no more; whether there were any."""
    # Jumps from one listing to the next in the index, however long they are.
    row = db.execute(
        """WITH RECURSIVE present (listing) AS (
               SELECT min(listing) FROM hashes
               UNION ALL
               SELECT (SELECT min(listing) FROM hashes WHERE listing > present.listing)
               FROM present WHERE listing IS NOT NULL)
           SELECT listing FROM present WHERE listing NOT IN (SELECT id FROM listings)"""
    ).fetchone()
    if row is None:
        return False
    db.execute(
        """DELETE FROM hashes WHERE listing = :listing AND digest IN (
               SELECT digest FROM hashes WHERE listing = :listing LIMIT :step)""",
        {"listing": row["listing"], "step": STEP},
    )
    return True
