"""v2 access tokens and accepted terms."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from msgspec import json

from ..records import Account
from .database import SQLiteDatabase


class SQLiteAccounts:
    """:class:`mxisd.storage.contract.AccountStorage` on SQLite."""

    def __init__(self, database: SQLiteDatabase) -> None:
        self._database = database

    async def register(self, token_hash: str, user_id: str, now: int, most: int) -> None:
        await self._database.write(_register, token_hash, user_id, now, most)

    async def renew(self, token_hash: str, now: int, if_before: int) -> None:
        await self._database.write(_renew, token_hash, now, if_before)

    async def purge(self, before: int) -> int:
        return await self._database.delete_in_steps(_purge, before)

    async def account_of(self, token_hash: str) -> Account | None:
        return await self._database.look_up(_account_of, token_hash)

    async def logout(self, token_hash: str) -> bool:
        return await self._database.write(_logout, token_hash)

    async def accept_terms(self, user_id: str, urls: Iterable[str], now: int) -> None:
        await self._database.write(_accept_terms, user_id, urls, now)


def _register(db: sqlite3.Connection, token_hash: str, user_id: str, now: int, most: int) -> None:
    db.execute("INSERT INTO access_tokens VALUES (?, ?, ?)", (token_hash, user_id, now))
    db.execute(
        """DELETE FROM access_tokens WHERE digest IN (
               SELECT digest FROM access_tokens WHERE user_id = ? ORDER BY created DESC, digest LIMIT -1 OFFSET ?)""",
        (user_id, most),
    )


def _renew(db: sqlite3.Connection, token_hash: str, now: int, if_before: int) -> None:
    db.execute("UPDATE access_tokens SET created = ? WHERE digest = ? AND created < ?", (now, token_hash, if_before))


def _purge(db: sqlite3.Connection, before: int, step: int) -> int:
    return db.execute(
        "DELETE FROM access_tokens WHERE digest IN (SELECT digest FROM access_tokens WHERE created < ? LIMIT ?)",
        (before, step),
    ).rowcount


def _account_of(db: sqlite3.Connection, token_hash: str) -> Account | None:
    row = db.execute(
        """SELECT user_id,
               (SELECT json_group_array(url) FROM accepted_terms WHERE user_id = access_tokens.user_id) AS urls
           FROM access_tokens WHERE digest = ?""",
        (token_hash,),
    ).fetchone()
    if row is None:
        return None
    return Account(user_id=row["user_id"], accepted_terms=json.decode(row["urls"], type=frozenset[str]))


def _logout(db: sqlite3.Connection, token_hash: str) -> bool:
    return bool(db.execute("DELETE FROM access_tokens WHERE digest = ?", (token_hash,)).rowcount)


def _accept_terms(db: sqlite3.Connection, user_id: str, urls: Iterable[str], now: int) -> None:
    db.executemany("INSERT OR IGNORE INTO accepted_terms VALUES (?, ?, ?)", [(user_id, url, now) for url in urls])
