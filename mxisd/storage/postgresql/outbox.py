"""The outbox: deliveries to homeservers, and messages about invites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import structs

from ..records import Claimed, Delivery, Failure, Invite, Kind, State, Waiting
from ..rows import columns, read
from .connection import Row
from .database import PostgreSQLDatabase
from .rows import listed
from .statement import statement

# Jumps from one destination to the next in the index, without reading all of their deliveries.  Those that somebody
# else is just claiming are passed over.
_CLAIM = f"""
    WITH RECURSIVE waiting (destination) AS (
        SELECT min(destination) FROM mxisd_deliveries WHERE state = 'queued' AND kind = :kind
        UNION ALL
        SELECT (SELECT min(destination) FROM mxisd_deliveries
                WHERE state = 'queued' AND kind = :kind AND destination > waiting.destination)
        FROM waiting WHERE destination IS NOT NULL),
    busy AS (
        SELECT * FROM unnest(:busy::text[], :attempts::bigint[]) AS busy (destination, attempts)),
    candidates AS (
        SELECT free.id, free.turn, free.due, :per_destination - coalesce(attempts, 0) AS room,
            row_number() OVER (PARTITION BY destination ORDER BY free.turn, free.due, free.id) AS place
        FROM waiting LEFT JOIN busy USING (destination) CROSS JOIN LATERAL (
            SELECT id, turn, due FROM mxisd_deliveries
            WHERE state = 'queued' AND kind = :kind AND destination = waiting.destination AND due <= :now
            ORDER BY turn, due, id LIMIT least(:limit::bigint, :per_destination::bigint) FOR UPDATE SKIP LOCKED) AS free
        WHERE coalesce(attempts, 0) < :per_destination),
    chosen AS (
        SELECT id, due AS since FROM candidates WHERE place <= room ORDER BY turn, due, id LIMIT :limit::bigint),
    taken AS (
        UPDATE mxisd_deliveries AS taken
        SET attempts = attempts + 1, lost = lost + claimed::integer, claimed = true, due = :until
        FROM chosen WHERE taken.id = chosen.id RETURNING taken.*, since)
    SELECT taken.*, {listed(columns(Invite), 'invites.{0} AS "invite.{0}"')}
    FROM taken LEFT JOIN mxisd_invites AS invites USING (token) ORDER BY turn, since, id"""


class PostgreSQLOutbox:
    """:class:`mxisd.storage.contract.OutboxStorage` on PostgreSQL."""

    def __init__(self, database: PostgreSQLDatabase) -> None:
        self._database = database

    async def claim(
        self, kind: Kind, now: int, lease: int, limit: int, busy: Mapping[str, int], per_destination: int
    ) -> Claimed:
        rows, (next_,) = await self._database.step(
            statement(
                _CLAIM,
                kind=kind,
                now=now,
                until=now + lease,
                limit=limit,
                busy=list(busy),
                attempts=list(busy.values()),
                per_destination=per_destination,
            ),
            statement(
                "SELECT min(due) AS due FROM mxisd_deliveries WHERE state = 'queued' AND kind = :kind", kind=kind
            ),
        )
        return Claimed(
            deliveries=[read_delivery(row) for row in rows],
            invites={row["token"]: read(Invite, row, "invite.") for row in rows if row["invite.token"] is not None},
            next_due=next_["due"],
        )

    async def renew(self, deliveries: Sequence[Delivery], until: int) -> None:
        await self._database.run(
            """UPDATE mxisd_deliveries AS held SET due = greatest(due, :until)
               FROM unnest(:ids::bigint[], :attempts::bigint[]) AS ours (id, attempts)
               WHERE held.id = ours.id AND held.attempts = ours.attempts AND state = 'queued' AND claimed""",
            until=until,
            ids=[int(delivery.id) for delivery in deliveries],
            attempts=[delivery.attempts for delivery in deliveries],
        )

    async def retry(self, delivery: Delivery, due: int, answer: str, count: Failure | None = None) -> bool:
        return await self._settle(delivery, "queued", due, answer, count)

    async def close(self, delivery: Delivery, state: State, answer: str, now: int) -> bool:
        if delivery.token is not None:
            return await self._settle(delivery, state, now, answer)
        gone = await self._database.run(
            """DELETE FROM mxisd_deliveries
               WHERE id = :id AND attempts = :attempts AND state = 'queued' AND claimed""",
            id=int(delivery.id),
            attempts=delivery.attempts,
        )
        return bool(gone.affected)

    async def _settle(
        self, delivery: Delivery, state: State, due: int, answer: str, count: Failure | None = None
    ) -> bool:
        settled = await self._database.run(
            """UPDATE mxisd_deliveries SET state = :state, due = :due, answer = :answer, claimed = false,
                   lost = lost + :lost, errors = errors + :errors
               WHERE id = :id AND attempts = :attempts AND state = 'queued' AND claimed""",
            state=state,
            due=due,
            answer=answer,
            lost=int(count == "lost"),
            errors=int(count == "errors"),
            id=int(delivery.id),
            attempts=delivery.attempts,
        )
        return bool(settled.affected)

    async def of_invite(self, token: str) -> list[Delivery]:
        rows = await self._database.run("SELECT * FROM mxisd_deliveries WHERE token = :token ORDER BY id", token=token)
        return [read_delivery(row) for row in rows]

    async def waiting(self) -> list[Waiting]:
        rows = await self._database.run(
            """SELECT kind, count(*) AS number, min(due) AS due FROM mxisd_deliveries
               WHERE state = 'queued' GROUP BY kind"""
        )
        return [Waiting(row["kind"], row["number"], row["due"]) for row in rows]


def read_delivery(row: Row) -> Delivery:
    """Make a delivery of a row."""
    delivery = read(Delivery, row)
    # For others an ID is an opaque string; here it is a number.
    return structs.replace(delivery, id=str(delivery.id))
