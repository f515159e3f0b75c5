"""The index of hashed addresses."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping, Sequence
from typing import TypeAlias

from ..contract import StorageUnavailable
from ..hashed import Portion
from ..records import Pepper
from .connection import Rows
from .database import PostgreSQLDatabase
from .indexed import INDEX, LISTED, PEPPERS_LOCK
from .statement import Statement, statement
from .values import Value

# How a step begins that reads a page of a table by its index.  Of a table that was filled just now PostgreSQL knows
# nothing yet, and would rather read and sort all of it.  What is switched off counts as so dear that it would compile.
_BY_INDEX = statement(
    """SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
           set_config('enable_sort', 'off', true), set_config('jit', 'off', true)"""
)

Entry: TypeAlias = tuple[int, str, str]
"""The listing, the digest, and the user ID."""

# Work on the whole index is done in steps of so many hashes; each takes some milliseconds.
STEP = 1000

# After so long without a step an unfinished pepper or listing counts as abandoned, because its process has died.  Long,
# since listing all users of an identity store can be slow.
_ABANDONED = "interval '10 minutes'"
_STAGING_LOST = "PostgreSQL has lost what was being listed, since it was restarted; it is listed again later"

_ENTRIES = """unnest(:listings::bigint[], :digests::text[], :user_ids::text[]) AS entries (listing, digest, user_id)"""

_PREPARE = """
    WITH made AS (
        INSERT INTO mxisd_peppers (pepper, made_at) SELECT :pepper, :made_at
        WHERE NOT EXISTS (SELECT FROM mxisd_peppers WHERE pepper = :pepper OR NOT in_use)
            AND :after IS NOT DISTINCT FROM (
                SELECT pepper FROM mxisd_peppers WHERE in_use ORDER BY id DESC LIMIT 1)
        RETURNING id)
    INSERT INTO mxisd_listings (pepper, source) SELECT id, '' FROM made RETURNING id"""
_STAGED = "FROM mxisd_staged WHERE staging = :staging::text::uuid AND listing = :listing AND digest > :after"
_KNOWN = "FROM mxisd_hashes WHERE listing = :listing AND digest > :after"
# Where the staging is gone nothing is reached, and so nothing deleted.
_MERGE = f"""
    WITH touched AS (
        UPDATE mxisd_stagings SET touched_at = now() WHERE id = :staging::text::uuid RETURNING id),
    reach AS (
        SELECT least(
            (SELECT digest {_STAGED} ORDER BY digest OFFSET :step LIMIT 1),
            (SELECT digest {_KNOWN} ORDER BY digest OFFSET 2 * :step LIMIT 1)) AS upper
        FROM touched),
    page AS (
        SELECT digest, user_id {_STAGED} AND digest <= (SELECT coalesce(upper, :end) FROM reach)),
    known AS (
        SELECT digest, user_id {_KNOWN} AND digest <= (SELECT coalesce(upper, :end) FROM reach)),
    gone AS (
        DELETE FROM mxisd_hashes WHERE listing = :listing AND digest IN (
            SELECT digest FROM known EXCEPT SELECT digest FROM page)),
    written AS (
        INSERT INTO mxisd_hashes AS hashes (listing, digest, user_id)
        SELECT listings.id, digest, user_id
        FROM (SELECT * FROM page EXCEPT SELECT * FROM known) AS new CROSS JOIN mxisd_listings AS listings
        WHERE listings.id = :listing
        ON CONFLICT (listing, digest) DO UPDATE SET user_id = excluded.user_id)
    SELECT upper FROM reach"""
# Greater than all digests.
_END = "\U0010ffff"

# Each deletes some of what belongs to nothing any more.  They jump from one listing to the next in the index, without
# reading all of their rows.
_SWEEP_HASHES, _SWEEP_STAGED = (
    f"""
    WITH RECURSIVE present (owner) AS (
        (SELECT {column} FROM {table} ORDER BY {column} LIMIT 1)
        UNION ALL
        SELECT (SELECT {column} FROM {table} WHERE {column} > present.owner ORDER BY {column} LIMIT 1)
        FROM present WHERE owner IS NOT NULL),
    gone AS (
        SELECT owner FROM present WHERE owner IS NOT NULL AND owner NOT IN (SELECT id FROM {owners}) LIMIT 1)
    DELETE FROM {table} WHERE {column} = (SELECT owner FROM gone) AND (listing, digest) IN (
        SELECT listing, digest FROM {table} WHERE {column} = (SELECT owner FROM gone) LIMIT :step)"""
    for table, column, owners in (
        ("mxisd_hashes", "listing", "mxisd_listings"),
        ("mxisd_staged", "staging", "mxisd_stagings"),
    )
)


class PostgreSQLHashes:
    """
    :class:`mxisd.storage.hashed.HashStorage` on PostgreSQL.

    A listing is what one source lists under one pepper.  A new version of it is staged beside, and compared with the
    old one page by page, so that only the differences are written.
    """

    def __init__(self, database: PostgreSQLDatabase) -> None:
        self._database = database

    async def peppers(self) -> list[Pepper]:
        rows = await self._database.run("SELECT pepper, made_at FROM mxisd_peppers WHERE in_use ORDER BY id DESC")
        return [Pepper(pepper=row["pepper"], made_at=row["made_at"]) for row in rows]

    async def prepare(self, pepper: Pepper, *, after: str | None) -> bool:
        *_, made = await self._database.step(
            PEPPERS_LOCK,
            statement(f"DELETE FROM mxisd_peppers WHERE NOT in_use AND touched_at < now() - {_ABANDONED}"),
            statement(_PREPARE, pepper=pepper.pepper, made_at=pepper.made_at, after=after),
        )
        if not made:
            return False
        await self._sweep(_SWEEP_HASHES)
        reached = {"address": "", "medium": ""}
        while rows := await self._by_index(statement(INDEX, pepper=pepper.pepper, step=STEP, **reached)):
            (row,) = rows
            if not row.pop("listed"):
                return False
            reached = row
        return True

    async def publish(self, pepper: str, *, keep: int) -> bool:
        _, published, _ = await self._database.step(
            PEPPERS_LOCK,
            statement("UPDATE mxisd_peppers SET in_use = true WHERE pepper = :pepper AND NOT in_use", pepper=pepper),
            statement(
                """DELETE FROM mxisd_peppers WHERE in_use AND id NOT IN (
                       SELECT id FROM mxisd_peppers WHERE in_use ORDER BY id DESC LIMIT :keep)""",
                keep=keep,
            ),
        )
        await self._sweep(_SWEEP_HASHES)
        return bool(published.affected)

    async def find(self, pepper: str, digests: Sequence[str]) -> dict[str, str] | None:
        # The listings come in rising order of priority, our bindings last: of equal ones the last one counts.
        found = await self._database.find(
            """SELECT count(*) AS listings,
                   json_object_agg(digest, user_id ORDER BY position DESC NULLS LAST) FILTER (WHERE digest IS NOT NULL)
                       AS users
               FROM mxisd_peppers AS peppers
               JOIN mxisd_listings AS listings ON listings.pepper = peppers.id
               LEFT JOIN mxisd_sources AS sources ON name = source
               LEFT JOIN mxisd_hashes AS hashes ON listing = listings.id AND digest = ANY(:keys) AND user_id <> ''
               WHERE peppers.pepper = :pepper AND in_use""",
            _found,
            digests,
            pepper=pepper,
        )
        return None if found is None else {digest: found[digest] for digest in digests if digest in found}

    async def arrange(self, sources: Sequence[str]) -> None:
        await self._database.step(
            PEPPERS_LOCK,
            statement("DELETE FROM mxisd_sources"),
            statement(
                """INSERT INTO mxisd_sources (name, position)
                   SELECT name, position FROM unnest(:names::text[]) WITH ORDINALITY AS sources (name, position)""",
                names=list(sources),
            ),
            statement(
                "DELETE FROM mxisd_listings WHERE source <> '' AND source NOT IN (SELECT name FROM mxisd_sources)"
            ),
        )
        await self._sweep(_SWEEP_HASHES)

    async def replace(self, source: str, peppers: Sequence[str], portions: AsyncIterable[Portion]) -> None:
        listings = await self._listings(source, peppers)
        _, (staging,) = await self._database.step(
            statement(f"DELETE FROM mxisd_stagings WHERE touched_at < now() - {_ABANDONED}"),
            statement("INSERT INTO mxisd_stagings DEFAULT VALUES RETURNING id::text"),
        )
        try:
            async for portion in portions:
                await self._stage(staging["id"], _entries(portion, peppers, listings))
            for listing in listings.values():
                await self._merge(staging["id"], listing)
        finally:
            await self._database.run("DELETE FROM mxisd_stagings WHERE id = :id::text::uuid", id=staging["id"])
            await self._sweep(_SWEEP_STAGED)

    async def add(self, source: str, peppers: Sequence[str], portion: Portion) -> None:
        entries = _entries(portion, peppers, await self._listings(source, peppers))
        await self._database.run(
            f"""INSERT INTO mxisd_hashes (listing, digest, user_id)
                SELECT listing, digest, user_id FROM {_ENTRIES} JOIN mxisd_listings ON id = listing
                ON CONFLICT (listing, digest) DO UPDATE SET user_id = excluded.user_id""",
            **_columns(entries),
        )

    async def _by_index(self, step: Statement) -> Rows:
        _, rows = await self._database.step(_BY_INDEX, step)
        return rows

    async def _sweep(self, sql: str) -> None:
        """Delete what belongs to nothing any more."""
        while (await self._by_index(statement(sql, step=STEP))).affected:
            pass

    async def _listings(self, source: str, peppers: Sequence[str]) -> Mapping[str, int]:
        """The listing of a source for each pepper; none for unknown peppers, nor for an unknown source."""
        values = {"source": source, "peppers": peppers}
        *_, rows = await self._database.step(
            LISTED,
            statement(
                """INSERT INTO mxisd_listings (pepper, source) SELECT id, name FROM mxisd_peppers, mxisd_sources
                   WHERE pepper = ANY(:peppers) AND name = :source ON CONFLICT DO NOTHING""",
                **values,
            ),
            statement(
                """SELECT peppers.pepper, listings.id FROM mxisd_listings AS listings
                   JOIN mxisd_peppers AS peppers ON peppers.id = listings.pepper
                   WHERE peppers.pepper = ANY(:peppers) AND source = :source""",
                **values,
            ),
        )
        return {row["pepper"]: row["id"] for row in rows}

    async def _stage(self, staging: str, entries: Sequence[Entry]) -> None:
        for first in range(0, len(entries), STEP):
            touched, _ = await self._database.step(
                statement("UPDATE mxisd_stagings SET touched_at = now() WHERE id = :id::text::uuid", id=staging),
                statement(
                    f"""INSERT INTO mxisd_staged (staging, listing, digest, user_id)
                        SELECT :staging::text::uuid, listing, digest, user_id FROM {_ENTRIES}
                        ON CONFLICT DO NOTHING""",
                    staging=staging,
                    **_columns(entries[first : first + STEP]),
                ),
            )
            if not touched.affected:
                raise StorageUnavailable(_STAGING_LOST)

    async def _merge(self, staging: str, listing: int) -> None:
        reached: str | None = ""
        while reached is not None:
            rows = await self._by_index(
                statement(_MERGE, staging=staging, listing=listing, after=reached, step=STEP, end=_END)
            )
            if not rows:
                raise StorageUnavailable(_STAGING_LOST)
            reached = rows[0]["upper"]


def _found(rows: Rows) -> dict[str, str] | None:
    """``None`` if the pepper has no listing, not even that of our bindings: it is not in use."""
    (row,) = rows
    return (row["users"] or {}) if row["listings"] else None


def _entries(portion: Portion, peppers: Sequence[str], listings: Mapping[str, int]) -> list[Entry]:
    """Those of a portion that belong to listings that there are."""
    return [
        (listings[pepper], digest, user_id)
        for under_peppers, user_id in portion
        for digest, pepper in zip(under_peppers, peppers, strict=True)
        if pepper in listings
    ]


def _columns(entries: Sequence[Entry]) -> dict[str, Value]:
    """The values of :data:`_ENTRIES`; of equal ones the last."""
    unique = {(listing, digest): user_id for listing, digest, user_id in entries}
    return {
        "listings": [listing for listing, _ in unique],
        "digests": [digest for _, digest in unique],
        "user_ids": list(unique.values()),
    }
