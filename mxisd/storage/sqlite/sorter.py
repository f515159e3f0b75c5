"""
Sort more hashes than fit into memory.

If hashes were written to the index unsorted, almost every one would change a different page of the file: a million
hashes would be gigabytes of writes.  So they are first sorted in a temporary database, in a thread of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from functools import partial

from msgspec import json
from twisted.internet.defer import Deferred, DeferredLock, succeed

from .worker import StatementWorker

Row = tuple[int, str, str]
"""The listing, the digest, and the user ID."""

# Rows of one page.  Writing a page should not delay other writers for more than some milliseconds.
STEP = 1000
Bound = str | bytes
# In SQLite a blob is greater than any text.
END: Bound = b""


def open_sorter() -> sqlite3.Connection:
    """A temporary database; SQLite moves it to a file if it is large, and deletes it when it is closed."""
    connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -16384")  # KiB
    return connection


class Sorter:
    """Use with ``async with``: first add rows, then read them in order.  Only one user at a time, others wait."""

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
        """Add rows; the functions that make them are called in the thread."""
        added: Deferred[None] = succeed(None)
        async for rows in portions:
            # The next portion is fetched while this one is added.
            await added
            added = self._worker.run(partial(_add, rows=rows))
        await added

    async def pages(self, listing: int) -> AsyncIterator[tuple[str, Bound]]:
        """
        The rows of a listing, sorted by digest, each digest once.

        Yields pages: the JSON text ``[[digest, user ID], …]`` and the last digest of the page.  For the last page,
        which may be empty, that is :data:`END`.
        """
        await self._worker.run(_index)
        coming = self._worker.run(partial(_page, listing=listing, after=""))
        upper: Bound = ""
        while upper != END:
            page, upper = await coming
            if upper != END:
                # The next page is read while the caller writes this one.
                coming = self._worker.run(partial(_page, listing=listing, after=upper))
            yield page, upper


def _empty(db: sqlite3.Connection) -> None:
    db.execute("DROP TABLE IF EXISTS entries")
    db.execute("CREATE TABLE entries (listing INTEGER, digest TEXT, value TEXT)")


def _add(db: sqlite3.Connection, rows: Callable[[], Iterable[Row]]) -> None:
    # One statement: for each row bound separately the thread would have to wait for the GIL.
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
