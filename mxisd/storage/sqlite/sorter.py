"""
Sorting more hashes than should be in memory.

Hashes are in no order by nature.  Written as they come, each would change another page of the index: a million of them
are gigabytes.  So they go into a temporary database first, by a thread of its own, and come back in order.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from functools import partial

from msgspec import json
from twisted.internet.defer import Deferred, DeferredLock, succeed

from .worker import StatementWorker

Row = tuple[int, str, str]
"""The listing, the digest, and what belongs to it."""

# Rows that are handed over at once: what writes them should hold up other writers for no more than some milliseconds.
STEP = 1000
Bound = str | bytes
# Greater than any text.
END: Bound = b""


def open_sorter() -> sqlite3.Connection:
    """A database that is in a file only as far as memory is short, and gone when it is closed."""
    connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -16384")  # KiB
    return connection


class Sorter:
    """Within ``async with sorter``, rows can be added, and then be had in order; one after another can have that."""

    def __init__(self, worker: StatementWorker) -> None:
        self._worker = worker
        self._lock = DeferredLock()

    async def __aenter__(self) -> Sorter:
        await self._lock.acquire()
        try:
            await self._worker.run(_empty)
        except BaseException:
            self._lock.release()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._worker.run(_empty)
        finally:
            self._lock.release()

    async def add(self, portions: AsyncIterable[Callable[[], Iterable[Row]]]) -> None:
        """Add rows, which functions make; these are called in the thread."""
        added: Deferred[None] = succeed(None)
        async for rows in portions:
            # While one portion is added the next one is fetched.
            await added
            added = self._worker.run(partial(_add, rows=rows))
        await added

    async def pages(self, listing: int) -> AsyncIterator[tuple[str, Bound]]:
        """
        The rows of a listing in the order of their digests, each digest once.

        They come as the JSON text ``[[digest, value], …]``, with the digest that ends the page, and is :data:`END` for
        the last one, which may be empty.
        """
        await self._worker.run(_index)
        coming = self._worker.run(partial(_page, listing=listing, after=""))
        upper: Bound = ""
        while upper != END:
            page, upper = await coming
            if upper != END:
                # While one page is written the next one is read.
                coming = self._worker.run(partial(_page, listing=listing, after=upper))
            yield page, upper


def _empty(db: sqlite3.Connection) -> None:
    db.execute("DROP TABLE IF EXISTS entries")
    db.execute("CREATE TABLE entries (listing INTEGER, digest TEXT, value TEXT)")


def _add(db: sqlite3.Connection, rows: Callable[[], Iterable[Row]]) -> None:
    # One statement: each row that is bound by itself costs the thread a wait for the interpreter.
    text = json.encode(list(rows())).decode()
    db.execute("INSERT INTO entries SELECT value->>0, value->>1, value->>2 FROM json_each(?)", (text,))


def _index(db: sqlite3.Connection) -> None:
    db.execute("CREATE INDEX IF NOT EXISTS in_order ON entries (listing, digest, value)")


def _page(db: sqlite3.Connection, listing: int, after: Bound) -> tuple[str, Bound]:
    page, number, last = db.execute(
        """SELECT json_group_array(json_array(digest, value)), count(*), max(digest) FROM (
               SELECT digest, min(value) AS value FROM entries WHERE listing = ? AND digest > ?
               GROUP BY digest ORDER BY digest LIMIT ?)""",
        (listing, after, STEP),
    ).fetchone()
    return page, last if number == STEP else END
