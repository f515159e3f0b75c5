"""Token buckets: a row for each that is not full."""

from __future__ import annotations

from collections.abc import Sequence

from ..buckets import SKEW, Charge
from .database import PostgreSQLDatabase
from .statement import statement

# In their order, so that nobody waits for one who waits for them.
_LOCK = """
    SELECT pg_advisory_xact_lock(hashtextextended('bucket ' || name, 0))
    FROM (SELECT name FROM unnest(:names::text[]) AS name ORDER BY name) AS ordered"""
_TAKE = """
    WITH levels AS (
        SELECT place, name, cost, capacity, full_at > :now + capacity + :skew AS was_ahead,
            CASE WHEN full_at > :now + capacity + :skew THEN :now + capacity ELSE greatest(full_at, :now) END AS full_at
        FROM unnest(:names::text[], :costs::bigint[], :capacities::bigint[]) WITH ORDINALITY
            AS charges (name, cost, capacity, place)
        LEFT JOIN mxisd_buckets USING (name)),
    waits AS (
        SELECT *, greatest(0, full_at + cost - capacity - :now) AS wait FROM levels),
    taken AS (
        INSERT INTO mxisd_buckets (name, full_at)
        SELECT name, full_at + CASE WHEN fits THEN cost ELSE 0 END
        FROM waits CROSS JOIN (SELECT max(wait) = 0 AS fits FROM waits) AS all_of_them WHERE fits OR was_ahead
        ON CONFLICT (name) DO UPDATE SET full_at = excluded.full_at)
    SELECT wait FROM waits ORDER BY place"""
# Whoever makes a row takes away two, so that they do not become many.
_SWEEP = """
    DELETE FROM mxisd_buckets WHERE name IN (
        SELECT name FROM mxisd_buckets WHERE full_at <= :now ORDER BY full_at LIMIT 2 FOR UPDATE SKIP LOCKED)"""


class PostgreSQLBuckets:
    """:class:`mxisd.storage.buckets.BucketStorage` on PostgreSQL."""

    def __init__(self, database: PostgreSQLDatabase) -> None:
        self._database = database

    async def take(self, charges: Sequence[Charge], now: int) -> list[int]:
        names = [charge.bucket for charge in charges]
        _, waits, _ = await self._database.step(
            statement(_LOCK, names=names),
            statement(
                _TAKE,
                now=now,
                skew=SKEW,
                names=names,
                costs=[charge.cost for charge in charges],
                capacities=[charge.capacity for charge in charges],
            ),
            statement(_SWEEP, now=now),
        )
        return [row["wait"] for row in waits]
