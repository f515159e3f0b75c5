"""Deliveries to other servers."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping

from msgspec import structs

from ...matrix.threepid import ThreePid
from ..records import Delivery, Kind, State
from .database import Database
from .rows import read


class SQLiteOutbox:
    """:class:`mxisd.storage.contract.Outbox` on SQLite."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self, kind: Kind, now: int, lease: int, limit: int, busy: Mapping[str, int], per_destination: int
    ) -> list[Delivery]:
        return await self._database.write(_claim, kind, now, lease, limit, busy, per_destination)

    async def retry(self, delivery: Delivery, due: int, answer: str) -> bool:
        return await self._database.write(_settle, delivery, "queued", due, answer)

    async def close(self, delivery: Delivery, state: State, answer: str, now: int) -> bool:
        return await self._database.write(_settle, delivery, state, now, answer)

    async def next_due(self, kind: Kind) -> int | None:
        return await self._database.read(_next_due, kind)

    async def of_invite(self, token: str) -> list[Delivery]:
        return await self._database.read(_of_invite, token)


def queue(
    db: sqlite3.Connection,
    kind: Kind,
    destination: str,
    threepid: ThreePid,
    token: str | None,
    mxid: str | None,
    now: int,
) -> None:
    """Queue a delivery that is due at once, within the transaction of its cause."""
    db.execute(
        """INSERT INTO deliveries (kind, destination, medium, address, token, mxid, created, due)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        (kind, destination, *threepid, token, mxid, now, now),
    )


def abandon_messages(db: sqlite3.Connection, token: str, why: str) -> None:
    """Give up the messages about an invite that are still queued."""
    db.execute(
        """UPDATE deliveries SET state = 'abandoned', answer = ?
           WHERE token = ? AND kind = 'message' AND state = 'queued'""",
        (why, token),
    )


def _claim(
    db: sqlite3.Connection,
    kind: Kind,
    now: int,
    lease: int,
    limit: int,
    busy: Mapping[str, int],
    per_destination: int,
) -> list[Delivery]:
    under_way = Counter(busy)
    chosen: list[int] = []
    for row in db.execute(
        "SELECT id, destination FROM deliveries WHERE state = 'queued' AND kind = ? AND due <= ? ORDER BY due, id",
        (kind, now),
    ):
        if len(chosen) == limit:
            break
        if under_way[row["destination"]] < per_destination:
            under_way[row["destination"]] += 1
            chosen.append(row["id"])
    return [
        _read(
            db.execute(
                """UPDATE deliveries SET attempts = attempts + 1, lost = lost + claimed, claimed = 1, due = ?
                   WHERE id = ? RETURNING *""",
                (now + lease, id_),
            ).fetchone()
        )
        for id_ in chosen
    ]


def _settle(db: sqlite3.Connection, delivery: Delivery, state: State, due: int, answer: str) -> bool:
    return bool(
        db.execute(
            """UPDATE deliveries SET state = ?, due = ?, answer = ?, claimed = 0
               WHERE id = ? AND attempts = ? AND state = 'queued'""",
            (state, due, answer, int(delivery.id), delivery.attempts),
        ).rowcount
    )


def _next_due(db: sqlite3.Connection, kind: Kind) -> int | None:
    row = db.execute("SELECT min(due) AS due FROM deliveries WHERE state = 'queued' AND kind = ?", (kind,)).fetchone()
    return None if row["due"] is None else int(row["due"])


def _of_invite(db: sqlite3.Connection, token: str) -> list[Delivery]:
    return [_read(row) for row in db.execute("SELECT * FROM deliveries WHERE token = ? ORDER BY id", (token,))]


def _read(row: sqlite3.Row) -> Delivery:
    delivery = read(Delivery, row)
    # An id is opaque outside; here it counts.
    return structs.replace(delivery, id=str(delivery.id))
