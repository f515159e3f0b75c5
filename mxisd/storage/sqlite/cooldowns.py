"""Cooldowns: things that all processes together do at most once in a period."""

from __future__ import annotations

import sqlite3

from .database import SQLiteDatabase


class SQLiteCooldowns:
    """:class:`mxisd.storage.once.CooldownStorage` on SQLite."""

    def __init__(self, database: SQLiteDatabase) -> None:
        self._database = database

    async def take(self, name: str, now: int, period: int) -> bool:
        return await self._database.write(_take, name, now, period)

    async def end(self, name: str, now: int) -> bool:
        return await self._database.write(_end, name, now)

    async def is_running(self, name: str, now: int) -> bool:
        return await self._database.look_up(_is_running, name, now)

    async def purge(self, now: int) -> int:
        return await self._database.delete_in_steps(_purge, now + 1)


def _take(db: sqlite3.Connection, name: str, now: int, period: int) -> bool:
    return bool(
        db.execute(
            """INSERT INTO cooldowns VALUES (?, ?)
               ON CONFLICT DO UPDATE SET until = excluded.until WHERE until <= ?""",
            (name, now + period, now),
        ).rowcount
    )


def _end(db: sqlite3.Connection, name: str, now: int) -> bool:
    return bool(db.execute("DELETE FROM cooldowns WHERE name = ? AND until > ?", (name, now)).rowcount)


def _is_running(db: sqlite3.Connection, name: str, now: int) -> bool:
    return db.execute("SELECT 1 FROM cooldowns WHERE name = ? AND until > ?", (name, now)).fetchone() is not None


def _purge(db: sqlite3.Connection, until_before: int, step: int) -> int:
    return db.execute(
        "DELETE FROM cooldowns WHERE name IN (SELECT name FROM cooldowns WHERE until < ? LIMIT ?)",
        (until_before, step),
    ).rowcount
