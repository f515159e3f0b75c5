"""IDs of the homeserver's transactions to our application service."""

from __future__ import annotations

import sqlite3

from .database import SQLiteDatabase


class SQLiteTransactions:
    """:class:`mxisd.storage.once.TransactionStorage` on SQLite."""

    def __init__(self, database: SQLiteDatabase) -> None:
        self._database = database

    async def is_done(self, txn_id: str) -> bool:
        return await self._database.read(_is_done, txn_id)

    async def done(self, txn_id: str, now: int) -> None:
        await self._database.write(_done, txn_id, now)

    async def purge(self, done_before: int) -> int:
        return await self._database.write(_purge, done_before)


def _is_done(db: sqlite3.Connection, txn_id: str) -> bool:
    return db.execute("SELECT 1 FROM transactions WHERE txn_id = ?", (txn_id,)).fetchone() is not None


def _done(db: sqlite3.Connection, txn_id: str, now: int) -> None:
    db.execute("INSERT OR IGNORE INTO transactions VALUES (?, ?)", (txn_id, now))


def _purge(db: sqlite3.Connection, done_before: int) -> int:
    return db.execute("DELETE FROM transactions WHERE done_at < ?", (done_before,)).rowcount
