"""The homeserver's transactions to our application service."""

from __future__ import annotations

import sqlite3

from .database import SQLiteDatabase


class SQLiteTransactions:
    """:class:`mxisd.storage.once.TransactionStorage` on SQLite."""

    def __init__(self, database: SQLiteDatabase) -> None:
        self._database = database

    async def is_done(self, txn_id: str, digest: str) -> bool:
        return await self._database.look_up(_is_done, txn_id, digest)

    async def done(self, txn_id: str, digest: str, now: int) -> None:
        await self._database.write(_done, txn_id, digest, now)

    async def purge(self, done_before: int) -> int:
        return await self._database.delete_in_steps(_purge, done_before)


def _is_done(db: sqlite3.Connection, txn_id: str, digest: str) -> bool:
    return bool(db.execute("SELECT 1 FROM transactions WHERE txn_id = ? AND digest = ?", (txn_id, digest)).fetchone())


def _done(db: sqlite3.Connection, txn_id: str, digest: str, now: int) -> None:
    db.execute("INSERT OR IGNORE INTO transactions VALUES (?, ?, ?)", (txn_id, digest, now))


def _purge(db: sqlite3.Connection, done_before: int, step: int) -> int:
    return db.execute(
        """DELETE FROM transactions WHERE (txn_id, digest) IN (
               SELECT txn_id, digest FROM transactions WHERE done_at < ? LIMIT ?)""",
        (done_before, step),
    ).rowcount
