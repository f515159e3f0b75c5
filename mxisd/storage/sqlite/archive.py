"""Read and write all records, to copy them from or to another engine."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec import json, structs

from ..archive import END, START, AcceptedTerms, AccessToken, Cooldown, Kept, Transaction
from ..records import Binding, Delivery, Invite, Session
from ..rows import read, values_of
from .database import SQLiteDatabase
from .outbox import read_delivery

STEP = 500


class ArchiveTable(NamedTuple):
    """The table of a kind of record, and the columns that put its rows in order."""

    name: str
    key: tuple[str, ...]


TABLES: dict[type[Kept], ArchiveTable] = {
    Binding: ArchiveTable("bindings", ("address", "medium")),
    Session: ArchiveTable("sessions", ("sid",)),
    Invite: ArchiveTable("invites", ("token",)),
    Delivery: ArchiveTable("deliveries", ("id",)),
    AccessToken: ArchiveTable("access_tokens", ("digest",)),
    AcceptedTerms: ArchiveTable("accepted_terms", ("user_id", "url")),
    Transaction: ArchiveTable("transactions", ("txn_id", "digest")),
    Cooldown: ArchiveTable("cooldowns", ("name",)),
}


class SQLiteArchive:
    """:class:`mxisd.storage.archive.Archive` on SQLite."""

    def __init__(self, database: SQLiteDatabase) -> None:
        self._database = database

    async def pack(self, kind: type[Kept], position: str) -> tuple[Sequence[Kept], str]:
        return await self._database.read(_pack, kind, position)

    async def unpack(self, kind: type[Kept], records: Sequence[Kept], position: str) -> None:
        await self._database.write(_unpack, kind, records, position)

    async def reached(self, kind: type[Kept]) -> str:
        return await self._database.read(_reached, kind)

    async def forget_positions(self) -> None:
        await self._database.write(_forget_positions)


def _pack(db: sqlite3.Connection, kind: type[Kept], position: str) -> tuple[Sequence[Kept], str]:
    table = TABLES[kind]
    key = ", ".join(table.key)
    after = json.decode(position) if position else []
    where = f"WHERE ({key}) > ({', '.join('?' for _ in table.key)})" if after else ""
    # Safe: all names come from TABLES above.
    rows = db.execute(f"SELECT * FROM {table.name} {where} ORDER BY {key} LIMIT {STEP}", after).fetchall()  # noqa: S608
    reached = json.encode([rows[-1][name] for name in table.key]).decode() if len(rows) == STEP else END
    return [_record(kind, row) for row in rows], reached


def _record(kind: type[Kept], row: sqlite3.Row) -> Kept:
    if kind is not Delivery:
        return read(kind, row)
    delivery = read_delivery(row)
    return structs.replace(delivery, lost=delivery.lost + 1) if row["claimed"] else delivery


def _unpack(db: sqlite3.Connection, kind: type[Kept], records: Sequence[Kept], position: str) -> None:
    for record in records:
        values: dict[str, Any] = values_of(record)
        if isinstance(record, Delivery):
            values["id"] = int(record.id)
        columns = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        db.execute(f"INSERT OR REPLACE INTO {TABLES[kind].name} ({columns}) VALUES ({marks})", values)  # noqa: S608
    db.execute("INSERT OR REPLACE INTO copied VALUES (?, ?)", (kind.__name__, position))


def _reached(db: sqlite3.Connection, kind: type[Kept]) -> str:
    row = db.execute("SELECT position FROM copied WHERE kind = ?", (kind.__name__,)).fetchone()
    return row["position"] if row else START


def _forget_positions(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM copied")
