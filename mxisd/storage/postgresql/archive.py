"""Read and write all records, to copy them from or to another engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import json, structs

from ..archive import END, START, AcceptedTerms, AccessToken, Cooldown, Kept, Transaction
from ..records import Binding, Delivery, Invite, Session
from ..rows import read, values_of
from .bindings import bound
from .connection import Row
from .database import PostgreSQLDatabase
from .outbox import read_delivery
from .rows import listed
from .statement import Statement, statement
from .values import Value

STEP = 500


class KeptTable(NamedTuple):
    """The table of a kind of record, and the columns that put its rows in order."""

    name: str
    key: tuple[str, ...]


TABLES: dict[type[Kept], KeptTable] = {
    Binding: KeptTable("mxisd_bindings", ("address", "medium")),
    Session: KeptTable("mxisd_sessions", ("sid",)),
    Invite: KeptTable("mxisd_invites", ("token",)),
    Delivery: KeptTable("mxisd_deliveries", ("id",)),
    AccessToken: KeptTable("mxisd_access_tokens", ("digest",)),
    AcceptedTerms: KeptTable("mxisd_accepted_terms", ("user_id", "url")),
    Transaction: KeptTable("mxisd_transactions", ("txn_id", "digest")),
    Cooldown: KeptTable("mxisd_cooldowns", ("name",)),
}


class PostgreSQLArchive:
    """:class:`mxisd.storage.archive.Archive` on PostgreSQL."""

    def __init__(self, database: PostgreSQLDatabase) -> None:
        self._database = database

    async def pack(self, kind: type[Kept], position: str) -> tuple[Sequence[Kept], str]:
        name, key = TABLES[kind]
        after = json.decode(position) if position else []
        where = f"WHERE ({listed(key)}) > ({listed(key, ':{}')})" if after else ""
        rows = await self._database.run(
            f"SELECT * FROM {name} {where} ORDER BY {listed(key)} LIMIT :step",
            step=STEP,
            **dict(zip(key, after, strict=False)),
        )
        reached = json.encode([rows[-1][column] for column in key]).decode() if len(rows) == STEP else END
        return [_record(kind, row) for row in rows], reached

    async def unpack(self, kind: type[Kept], records: Sequence[Kept], position: str) -> None:
        await self._database.step(
            *(_upsert(*TABLES[kind], _values(record)) for record in records),
            *([_AFTER_DELIVERIES] if kind is Delivery else []),
            _upsert("mxisd_copied", ("kind",), {"kind": kind.__name__, "position": position}),
        )

    async def reached(self, kind: type[Kept]) -> str:
        rows = await self._database.run("SELECT position FROM mxisd_copied WHERE kind = :kind", kind=kind.__name__)
        return rows[0]["position"] if rows else START

    async def forget_positions(self) -> None:
        await self._database.run("DELETE FROM mxisd_copied")


# The next delivery gets an ID that none has had.
_AFTER_DELIVERIES = statement(
    """SELECT setval(pg_get_serial_sequence('mxisd_deliveries', 'id'), max(id)) FROM mxisd_deliveries
       HAVING max(id) IS NOT NULL"""
)


def _record(kind: type[Kept], row: Row) -> Kept:
    if kind is not Delivery:
        return read(kind, row)
    delivery = read_delivery(row)
    return structs.replace(delivery, lost=delivery.lost + 1) if row["claimed"] else delivery


def _values(record: Kept) -> dict[str, Value]:
    if isinstance(record, Binding):
        return bound(record)
    values = values_of(record)
    return values | {"id": int(record.id)} if isinstance(record, Delivery) else values


def _upsert(table: str, key: Sequence[str], values: dict[str, Value]) -> Statement:
    """Write a row, over that of the same key."""
    return statement(
        f"""INSERT INTO {table} ({listed(values)}) VALUES ({listed(values, ":{}")})
            ON CONFLICT ({listed(key)}) DO UPDATE SET {listed(values, "{0} = excluded.{0}")}""",
        **values,
    )
