"""The shared signing keys."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import cast

from .database import SQLiteDatabase


class SQLiteKeys:
    """:class:`mxisd.storage.contract.KeyStorage` on SQLite."""

    def __init__(self, database: SQLiteDatabase) -> None:
        self._database = database

    async def signing_keys(self, make: Callable[[], bytes]) -> bytes:
        return await self._database.write(_signing_keys, make)


def _signing_keys(db: sqlite3.Connection, make: Callable[[], bytes]) -> bytes:
    row = db.execute("SELECT content FROM signing_keys").fetchone()
    if row is None:
        db.execute("INSERT INTO signing_keys VALUES (1, ?)", (make(),))
        return _signing_keys(db, make)
    return cast("bytes", row["content"])
