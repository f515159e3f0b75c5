"""Validation sessions."""

from __future__ import annotations

from ..records import VALID_TOKENS, Session
from ..rows import columns, read, values_of
from .database import PostgreSQLDatabase
from .rows import listed, placeholders
from .statement import lock, statement

_COLUMNS = listed(columns(Session))
_ALIVE = f"""
    SELECT {_COLUMNS} FROM mxisd_sessions
    WHERE secret_digest = :secret_digest AND modified >= :alive_since AND guesses < :max_guesses
    ORDER BY modified DESC LIMIT 1"""
_OPEN = f"""
    WITH alive AS ({_ALIVE}),
    opened AS (
        INSERT INTO mxisd_sessions ({_COLUMNS})
        SELECT {placeholders(Session)} WHERE NOT EXISTS (SELECT FROM alive)
        RETURNING {_COLUMNS})
    SELECT {_COLUMNS} FROM alive UNION ALL SELECT {_COLUMNS} FROM opened"""

_TRIM = """
    DELETE FROM mxisd_sessions WHERE sid IN (
        SELECT sid FROM mxisd_sessions WHERE medium = :medium AND address = :address AND sid <> :sid
        ORDER BY modified DESC, sid OFFSET :others)"""


class PostgreSQLSessions:
    """:class:`mxisd.storage.contract.SessionStorage` on PostgreSQL."""

    def __init__(self, database: PostgreSQLDatabase) -> None:
        self._database = database

    async def open(self, session: Session, *, alive_since: int, max_guesses: int, most: int) -> Session:
        values = values_of(session)
        _, (row,), _ = await self._database.step(
            lock("sessions of", *session.threepid),
            statement(_OPEN, **values, alive_since=alive_since, max_guesses=max_guesses),
            statement(_TRIM, medium=values["medium"], address=values["address"], sid=values["sid"], others=most - 1),
        )
        return read(Session, row)

    async def get(self, sid: str) -> Session | None:
        rows = await self._database.run("SELECT * FROM mxisd_sessions WHERE sid = :sid", sid=sid)
        return read(Session, rows[0]) if rows else None

    async def alive(self, secret_digest: str, *, alive_since: int, max_guesses: int) -> Session | None:
        rows = await self._database.run(
            _ALIVE, secret_digest=secret_digest, alive_since=alive_since, max_guesses=max_guesses
        )
        return read(Session, rows[0]) if rows else None

    async def add_token(self, sid: str, next_link: str | None, token_digest: str) -> None:
        await self._database.run(
            """UPDATE mxisd_sessions SET next_link = :next_link,
                   token_digests = array_to_string(
                       (regexp_split_to_array(rtrim(:token_digest || ' ' || token_digests), '\\s+'))[1 : :valid], ' ')
               WHERE sid = :sid""",
            sid=sid,
            next_link=next_link,
            token_digest=token_digest,
            valid=VALID_TOKENS,
        )

    async def sent(self, sid: str, send_attempt: int) -> None:
        await self._database.run(
            "UPDATE mxisd_sessions SET send_attempt = greatest(send_attempt, :send_attempt) WHERE sid = :sid",
            sid=sid,
            send_attempt=send_attempt,
        )

    async def take_guess(self, sid: str) -> int:
        rows = await self._database.run(
            "UPDATE mxisd_sessions SET guesses = guesses + 1 WHERE sid = :sid RETURNING guesses", sid=sid
        )
        return rows[0]["guesses"] if rows else 0

    async def validate(self, sid: str, now: int) -> None:
        await self._database.run(
            """UPDATE mxisd_sessions SET guesses = greatest(guesses - 1, 0),
                   modified = CASE WHEN validated_at IS NULL THEN :now ELSE modified END,
                   validated_at = coalesce(validated_at, :now)
               WHERE sid = :sid""",
            sid=sid,
            now=now,
        )

    async def purge(self, modified_before: int) -> int:
        return await self._database.delete_in_steps(
            """DELETE FROM mxisd_sessions WHERE sid IN (
                   SELECT sid FROM mxisd_sessions WHERE modified < :before LIMIT :step)""",
            before=modified_before,
        )
