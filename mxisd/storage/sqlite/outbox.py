"""The outbox: deliveries to homeservers, and messages about invites."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from msgspec import structs

from ...matrix.threepid import ThreePid
from ..records import Claimed, Delivery, Failure, Invite, Kind, State, Waiting
from ..rows import read
from .database import SQLiteDatabase


class SQLiteOutbox:
    """:class:`mxisd.storage.contract.OutboxStorage` on SQLite."""

    def __init__(self, database: SQLiteDatabase) -> None:
        self._database = database

    async def claim(
        self, kind: Kind, now: int, lease: int, limit: int, busy: Mapping[str, int], per_destination: int
    ) -> Claimed:
        return await self._database.write(_claim, kind, now, lease, limit, busy, per_destination)

    async def renew(self, deliveries: Sequence[Delivery], until: int) -> None:
        await self._database.write(_renew, deliveries, until)

    async def retry(self, delivery: Delivery, due: int, answer: str, count: Failure | None = None) -> bool:
        return await self._database.write(_settle, delivery, "queued", due, answer, count)

    async def close(self, delivery: Delivery, state: State, answer: str, now: int) -> bool:
        return await self._database.write(_close, delivery, state, answer, now)

    async def of_invite(self, token: str) -> list[Delivery]:
        return await self._database.look_up(_of_invite, token)

    async def waiting(self) -> list[Waiting]:
        return await self._database.read(_waiting)


def queue(
    db: sqlite3.Connection,
    kind: Kind,
    destination: str,
    threepid: ThreePid,
    token: str | None,
    user_id: str | None,
    due: int,
) -> None:
    """Queue a delivery; the caller is in a transaction.  ``due`` is also its time of creation, for its expiry."""
    db.execute(
        """INSERT INTO deliveries (kind, destination, medium, address, token, user_id, created, due)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        (kind, destination, *threepid, token, user_id, due, due),
    )


def has_queued_message(db: sqlite3.Connection, token: str) -> bool:
    """Whether a message about an invite is still queued."""
    return (
        db.execute(
            "SELECT 1 FROM deliveries WHERE token = ? AND kind = 'message' AND state = 'queued'", (token,)
        ).fetchone()
        is not None
    )


def abandon_messages(db: sqlite3.Connection, token: str, why: str) -> None:
    """Abandon the messages about an invite that are still queued."""
    db.execute(
        """UPDATE deliveries SET state = 'abandoned', answer = ?
           WHERE token = ? AND kind <> 'onbind' AND state = 'queued'""",
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
) -> Claimed:
    candidates: list[sqlite3.Row] = []
    for destination in _destinations(db, kind):
        candidates += db.execute(
            # By the index of turns: the plus keeps SQLite from sorting all that are due.
            """SELECT turn, due, id FROM deliveries
               WHERE state = 'queued' AND kind = ? AND destination = ? AND +due <= ? ORDER BY turn, due, id LIMIT ?""",
            (kind, destination, now, max(0, min(limit, per_destination - busy.get(destination, 0)))),
        )
    chosen = [row["id"] for row in sorted(candidates, key=tuple)[:limit]]
    taken = [
        db.execute(
            """UPDATE deliveries SET attempts = attempts + 1, lost = lost + claimed, claimed = 1, due = ?
               WHERE id = ? RETURNING *""",
            (now + lease, id_),
        ).fetchone()
        for id_ in chosen
    ]
    return Claimed(
        deliveries=[read_delivery(row) for row in taken],
        invites=_invites(db, {row["token"] for row in taken}),
        next_due=_next_due(db, kind),
    )


def _invites(db: sqlite3.Connection, tokens: Iterable[str | None]) -> dict[str, Invite]:
    rows = (db.execute("SELECT * FROM invites WHERE token = ?", (token,)).fetchone() for token in tokens)
    return {row["token"]: read(Invite, row) for row in rows if row is not None}


def _destinations(db: sqlite3.Connection, kind: Kind) -> list[str]:
    # Jumps from one destination to the next in the index, without reading all of their deliveries.
    rows = db.execute(
        """WITH RECURSIVE waiting (destination) AS (
               SELECT min(destination) FROM deliveries WHERE state = 'queued' AND kind = :kind
               UNION ALL
               SELECT (SELECT min(destination) FROM deliveries
                       WHERE state = 'queued' AND kind = :kind AND destination > waiting.destination)
               FROM waiting WHERE destination IS NOT NULL)
           SELECT destination FROM waiting WHERE destination IS NOT NULL""",
        {"kind": kind},
    )
    return [row["destination"] for row in rows]


def _renew(db: sqlite3.Connection, deliveries: Sequence[Delivery], until: int) -> None:
    db.executemany(
        "UPDATE deliveries SET due = max(due, ?) WHERE id = ? AND attempts = ? AND state = 'queued' AND claimed",
        [(until, int(delivery.id), delivery.attempts) for delivery in deliveries],
    )


def _settle(
    db: sqlite3.Connection, delivery: Delivery, state: State, due: int, answer: str, count: Failure | None = None
) -> bool:
    return bool(
        db.execute(
            """UPDATE deliveries SET state = ?, due = ?, answer = ?, claimed = 0, lost = lost + ?, errors = errors + ?
               WHERE id = ? AND attempts = ? AND state = 'queued' AND claimed""",
            (state, due, answer, count == "lost", count == "errors", int(delivery.id), delivery.attempts),
        ).rowcount
    )


def _close(db: sqlite3.Connection, delivery: Delivery, state: State, answer: str, now: int) -> bool:
    held = _settle(db, delivery, state, now, answer)
    if held and delivery.token is None:
        db.execute("DELETE FROM deliveries WHERE id = ?", (int(delivery.id),))
    return held


def _next_due(db: sqlite3.Connection, kind: Kind) -> int | None:
    row = db.execute("SELECT min(due) AS due FROM deliveries WHERE state = 'queued' AND kind = ?", (kind,)).fetchone()
    return None if row["due"] is None else int(row["due"])


def _of_invite(db: sqlite3.Connection, token: str) -> list[Delivery]:
    return [read_delivery(row) for row in db.execute("SELECT * FROM deliveries WHERE token = ? ORDER BY id", (token,))]


def _waiting(db: sqlite3.Connection) -> list[Waiting]:
    rows = db.execute("SELECT kind, count(*), min(due) FROM deliveries WHERE state = 'queued' GROUP BY kind")
    return [Waiting(*row) for row in rows]


def read_delivery(row: sqlite3.Row) -> Delivery:
    """Make a delivery of a row."""
    delivery = read(Delivery, row)
    # For others an ID is an opaque string; in SQLite it is a number.
    return structs.replace(delivery, id=str(delivery.id))
