"""The index of hashed addresses."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from functools import partial

from msgspec import json

from ...matrix.hashing import digests
from ...matrix.threepid import ThreePid
from ..hashed import Portion
from ..records import Pepper
from .database import FEW, SQLiteDatabase
from .sorter import STEP, Bound, Row, Sorter

# The name of our own bindings in the list of sources.
BINDINGS = ""
# Stands for the user ID of a binding that was deleted while a pepper is being prepared.
TOMBSTONE = ""


class SQLiteHashes:
    """
    :class:`mxisd.storage.hashed.HashStorage` on SQLite.

    A listing is what one source lists under one pepper.  A new version of it is compared with the old one page by page,
    and only the differences are written.  The hashes of a deleted listing are deleted later, in small steps.
    """

    def __init__(self, database: SQLiteDatabase, sorter: Sorter) -> None:
        self._database = database
        self._sorter = sorter

    async def peppers(self) -> list[Pepper]:
        return await self._database.look_up(_peppers)

    async def prepare(self, pepper: Pepper, *, after: str | None) -> bool:
        listing = await self._database.write(_prepare, pepper, after)
        if listing is None:
            return False
        await self._collect_garbage()
        async with self._sorter as sorter:
            await sorter.add(self._hashed_bindings(listing, pepper.pepper))
            async for page, _ in sorter.pages(listing):
                await self._database.write(_index_bindings, listing, page)
        return True

    async def _hashed_bindings(self, listing: int, pepper: str) -> AsyncIterator[Callable[[], list[Row]]]:
        last = ThreePid("", "")
        while some := await self._database.read(_some_bindings, last):
            yield partial(_hashed, some, listing, pepper)
            last = ThreePid(*some[-1][:2])

    async def publish(self, pepper: str, *, keep: int) -> bool:
        published = await self._database.write(_publish, pepper, keep)
        await self._collect_garbage()
        return published

    async def find(self, pepper: str, digests: Sequence[str]) -> dict[str, str] | None:
        run = self._database.look_up if len(digests) <= FEW else self._database.read
        return await run(_find, digests, pepper)

    async def arrange(self, sources: Sequence[str]) -> None:
        await self._database.write(_arrange, sources)
        await self._collect_garbage()

    async def replace(self, source: str, peppers: Sequence[str], portions: AsyncIterable[Portion]) -> None:
        listings = await self._database.write(_listings, source, peppers)
        async with self._sorter as sorter:
            await sorter.add(partial(_rows, portion, listings) async for portion in portions)
            for listing in listings:
                if listing is not None:
                    await self._merge(listing, sorter)

    async def add(self, source: str, peppers: Sequence[str], portion: Portion) -> None:
        await self._database.write(_add, source, peppers, portion)

    async def _merge(self, listing: int, sorter: Sorter) -> None:
        reached: Bound | None = ""
        async for page, upper in sorter.pages(listing):
            while reached is not None and reached != upper:
                reached = await self._database.write(_merge, listing, reached, upper, page)

    async def _collect_garbage(self) -> None:
        while await self._database.write(_delete_garbage):
            pass


def _hashed(bindings: Sequence[tuple[str, str, str]], listing: int, pepper: str) -> list[Row]:
    return [
        (listing, digest, user_id)
        for medium, address, user_id in bindings
        for digest in digests(ThreePid(medium, address), pepper)
    ]


def _rows(portion: Portion, listings: Sequence[int | None]) -> list[Row]:
    return [
        (listing, digest, user_id)
        for under_peppers, user_id in portion
        for digest, listing in zip(under_peppers, listings, strict=True)
        if listing is not None
    ]


def index_binding(db: sqlite3.Connection, threepid: ThreePid, user_id: str) -> None:
    """Index a new binding under every pepper, including one that is being prepared."""
    _set(
        db,
        [(listing, digest, user_id) for listing, pepper, _ in _of_bindings(db) for digest in digests(threepid, pepper)],
    )


def forget_binding(db: sqlite3.Connection, threepid: ThreePid) -> None:
    """Remove a deleted binding from the index."""
    for listing, pepper, in_use in _of_bindings(db):
        entries = [(listing, digest) for digest in digests(threepid, pepper)]
        if in_use:
            db.executemany("DELETE FROM hashes WHERE listing = ? AND digest = ?", entries)
        else:
            # _index_bindings may have read the binding already, and must not add it later.
            _set(db, [(*entry, TOMBSTONE) for entry in entries])


def _set(db: sqlite3.Connection, rows: Sequence[Row]) -> None:
    db.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)", rows)


def _of_bindings(db: sqlite3.Connection) -> list[sqlite3.Row]:
    """For every pepper: its listing of bindings, the pepper itself, and whether it is in use."""
    return db.execute(
        """SELECT listings.id, peppers.pepper, in_use FROM peppers
           JOIN listings ON listings.pepper = peppers.id AND source = ''"""
    ).fetchall()


def _peppers(db: sqlite3.Connection) -> list[Pepper]:
    rows = db.execute("SELECT pepper, made_at FROM peppers WHERE in_use ORDER BY id DESC")
    return [Pepper(pepper=row["pepper"], made_at=row["made_at"]) for row in rows]


def _prepare(db: sqlite3.Connection, pepper: Pepper, after: str | None) -> int | None:
    known = [each.pepper for each in _peppers(db)]
    if pepper.pepper in known or (known[0] if known else None) != after:
        return None
    # Only this process uses the file, so a pepper that was prepared before is abandoned.
    _forget(db, db.execute("SELECT id FROM peppers WHERE NOT in_use").fetchall())
    made = db.execute("INSERT INTO peppers (pepper, made_at) VALUES (?, ?)", (pepper.pepper, pepper.made_at))
    return _add_listing(db, made.lastrowid, BINDINGS)


def _add_listing(db: sqlite3.Connection, pepper: int | None, source: str) -> int | None:
    return db.execute("INSERT INTO listings (pepper, source) VALUES (?, ?)", (pepper, source)).lastrowid


def _forget(db: sqlite3.Connection, peppers: Sequence[sqlite3.Row]) -> None:
    for (pepper,) in peppers:
        db.execute("DELETE FROM listings WHERE pepper = ?", (pepper,))
        db.execute("DELETE FROM peppers WHERE id = ?", (pepper,))


def _some_bindings(db: sqlite3.Connection, last: ThreePid) -> list[tuple[str, str, str]]:
    """Medium, address and user ID of the next bindings, in the order of their key."""
    # One row: for each fetched row the thread has to wait for the GIL.
    row = db.execute(
        """SELECT json_group_array(json_array(medium, address, user_id)) FROM (
               SELECT medium, address, user_id FROM bindings WHERE (address, medium) > (?, ?)
               ORDER BY address, medium LIMIT ?)""",
        (last.address, last.medium, STEP),
    ).fetchone()
    return json.decode(row[0], type=list[tuple[str, str, str]])


def _index_bindings(db: sqlite3.Connection, listing: int, page: str) -> None:
    # Existing rows are newer: those bindings changed after they were read.
    db.execute(
        """INSERT INTO hashes SELECT listings.id, asked.value->>0, asked.value->>1 FROM listings
           CROSS JOIN json_each(?) AS asked WHERE listings.id = ? ON CONFLICT DO NOTHING""",
        (page, listing),
    )


def _publish(db: sqlite3.Connection, pepper: str, keep: int) -> bool:
    published = db.execute("UPDATE peppers SET in_use = 1 WHERE pepper = ? AND NOT in_use", (pepper,)).rowcount
    _forget(
        db, db.execute("SELECT id FROM peppers WHERE in_use ORDER BY id DESC LIMIT -1 OFFSET ?", (keep,)).fetchall()
    )
    return bool(published)


def _find(db: sqlite3.Connection, digests: Sequence[str], pepper: str) -> dict[str, str] | None:
    # One row each: for each fetched row the thread has to wait for the GIL.
    listings = json.decode(
        db.execute(
            """SELECT json_group_array(id) FROM (
                   SELECT listings.id FROM peppers JOIN listings ON listings.pepper = peppers.id
                   LEFT JOIN sources ON name = source
                   WHERE peppers.pepper = ? AND in_use
                       AND (source = ? OR EXISTS (SELECT 1 FROM hashes WHERE listing = listings.id))
                   ORDER BY position DESC NULLS LAST)""",
            (pepper, BINDINGS),
        ).fetchone()[0]
    )
    if not listings:
        return None
    asked = json.encode(digests).decode()
    found: dict[str, str] = {}
    # The listings come in rising order of priority, our bindings last: later ones overwrite earlier ones.
    for listing in listings:
        (answer,) = db.execute(
            """SELECT json_group_object(digest, user_id) FROM json_each(?) AS asked
               CROSS JOIN hashes ON listing = ? AND digest = asked.value AND user_id <> ?""",
            (asked, listing, TOMBSTONE),
        ).fetchone()
        found |= json.decode(answer, type=dict[str, str])
    return found


def _arrange(db: sqlite3.Connection, names: Sequence[str]) -> None:
    db.execute("DELETE FROM sources")
    db.executemany("INSERT INTO sources (position, name) VALUES (?, ?)", enumerate(names))
    db.execute("DELETE FROM listings WHERE source <> '' AND source NOT IN (SELECT name FROM sources)")


def _listings(db: sqlite3.Connection, source: str, peppers: Sequence[str]) -> list[int | None]:
    """The listing of a source for each pepper; ``None`` for unknown peppers, and for all if the source is unknown."""
    if not db.execute("SELECT 1 FROM sources WHERE name = ?", (source,)).fetchone():
        return [None for _ in peppers]
    return [_listing(db, source, pepper) for pepper in peppers]


def _listing(db: sqlite3.Connection, source: str, pepper: str) -> int | None:
    known = db.execute("SELECT id FROM peppers WHERE pepper = ?", (pepper,)).fetchone()
    if known is None:
        return None
    row = db.execute("SELECT id FROM listings WHERE pepper = ? AND source = ?", (known["id"], source)).fetchone()
    return row["id"] if row else _add_listing(db, known["id"], source)


def _add(db: sqlite3.Connection, source: str, peppers: Sequence[str], portion: Portion) -> None:
    _set(db, _rows(portion, _listings(db, source, peppers)))


def _merge(db: sqlite3.Connection, listing: int, after: Bound, upper: Bound, page: str) -> Bound | None:
    """
    Make a page of entries the only ones of a listing between two digests: above ``after``, up to ``upper``.

    Returns the digest up to which this is done, since only so many are deleted at once; ``None`` if the listing was
    deleted.
    """
    if not db.execute("SELECT 1 FROM listings WHERE id = ?", (listing,)).fetchone():
        return None
    values: dict[str, object] = {"listing": listing, "after": after, "upper": upper, "page": page, "step": 2 * STEP}
    far = db.execute(
        """SELECT digest FROM hashes WHERE listing = :listing AND digest > :after AND digest <= :upper
           ORDER BY digest LIMIT 1 OFFSET :step""",
        values,
    ).fetchone()
    reached: Bound = far["digest"] if far is not None else upper
    values["upper"] = reached
    db.execute(
        """DELETE FROM hashes WHERE listing = :listing AND digest > :after AND digest <= :upper
           AND digest NOT IN (SELECT value->>0 FROM json_each(:page))""",
        values,
    )
    db.execute(
        """INSERT INTO hashes SELECT :listing, value->>0, value->>1 FROM json_each(:page)
           WHERE value->>0 > :after AND value->>0 <= :upper
           ON CONFLICT DO UPDATE SET user_id = excluded.user_id WHERE user_id <> excluded.user_id""",
        values,
    )
    return reached


def _delete_garbage(db: sqlite3.Connection) -> bool:
    """Delete some of the hashes whose listing was deleted; return whether there were any."""
    # Jumps from one listing to the next in the index, without reading all of their hashes.
    row = db.execute(
        """WITH RECURSIVE present (listing) AS (
               SELECT min(listing) FROM hashes
               UNION ALL
               SELECT (SELECT min(listing) FROM hashes WHERE listing > present.listing)
               FROM present WHERE listing IS NOT NULL)
           SELECT listing FROM present WHERE listing IS NOT NULL AND listing NOT IN (SELECT id FROM listings)"""
    ).fetchone()
    if row is None:
        return False
    db.execute(
        """DELETE FROM hashes WHERE listing = :listing AND digest IN (
               SELECT digest FROM hashes WHERE listing = :listing LIMIT :step)""",
        {"listing": row["listing"], "step": 2 * STEP},
    )
    return True
