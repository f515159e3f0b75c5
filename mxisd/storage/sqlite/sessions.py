"""Validation sessions."""

from __future__ import annotations

import sqlite3

from ..records import VALID_TOKENS, Session
from ..rows import read, values_of
from .database import SQLiteDatabase


class SQLiteSessions:
    """:class:`mxisd.storage.contract.SessionStorage` on SQLite."""

    def __init__(self, database: SQLiteDatabase) -> None:
        self._database = database

    async def open(self, session: Session, *, alive_since: int, max_guesses: int, most: int) -> Session:
        return await self._database.write(_open, session, alive_since, max_guesses, most)

    async def get(self, sid: str) -> Session | None:
        return await self._database.look_up(_get, sid)

    async def alive(self, secret_digest: str, *, alive_since: int, max_guesses: int) -> Session | None:
        return await self._database.read(_alive, secret_digest, alive_since, max_guesses)

    async def add_token(self, sid: str, next_link: str | None, token_digest: str) -> None:
        await self._database.write(_add_token, sid, next_link, token_digest)

    async def sent(self, sid: str, send_attempt: int) -> None:
        await self._database.write(_sent, sid, send_attempt)

    async def take_guess(self, sid: str) -> int:
        return await self._database.write(_take_guess, sid)

    async def validate(self, sid: str, now: int) -> None:
        await self._database.write(_validate, sid, now)

    async def purge(self, modified_before: int) -> int:
        return await self._database.delete_in_steps(_purge, modified_before)


def _open(db: sqlite3.Connection, session: Session, alive_since: int, max_guesses: int, most: int) -> Session:
    if alive := _alive(db, session.secret_digest, alive_since, max_guesses):
        return alive
    db.execute(
        """INSERT INTO sessions VALUES (:sid, :secret_digest, :medium, :address, :token_digests, :modified,
               :send_attempt, :next_link, :validated_at, :guesses)""",
        values_of(session),
    )
    db.execute(
        """DELETE FROM sessions WHERE sid IN (
               SELECT sid FROM sessions WHERE medium = ? AND address = ? AND sid <> ?
               ORDER BY modified DESC, sid LIMIT -1 OFFSET ?)""",
        (*session.threepid, session.sid, most - 1),
    )
    return session


def _alive(db: sqlite3.Connection, secret_digest: str, since: int, max_guesses: int) -> Session | None:
    row = db.execute(
        """SELECT * FROM sessions
            WHERE secret_digest = ? AND modified >= ? AND guesses < ?
            ORDER BY modified DESC LIMIT 1""",
        (secret_digest, since, max_guesses),
    ).fetchone()
    return read(Session, row) if row else None


def _get(db: sqlite3.Connection, sid: str) -> Session | None:
    row = db.execute("SELECT * FROM sessions WHERE sid = ?", (sid,)).fetchone()
    return read(Session, row) if row else None


def _add_token(db: sqlite3.Connection, sid: str, next_link: str | None, token_digest: str) -> None:
    row = db.execute("SELECT token_digests FROM sessions WHERE sid = ?", (sid,)).fetchone()
    if row is None:
        return
    digests = " ".join([token_digest, *row["token_digests"].split()][:VALID_TOKENS])
    db.execute("UPDATE sessions SET next_link = ?, token_digests = ? WHERE sid = ?", (next_link, digests, sid))


def _sent(db: sqlite3.Connection, sid: str, send_attempt: int) -> None:
    db.execute("UPDATE sessions SET send_attempt = max(send_attempt, ?) WHERE sid = ?", (send_attempt, sid))


def _take_guess(db: sqlite3.Connection, sid: str) -> int:
    row = db.execute("UPDATE sessions SET guesses = guesses + 1 WHERE sid = ? RETURNING guesses", (sid,)).fetchone()
    return int(row["guesses"]) if row else 0


def _validate(db: sqlite3.Connection, sid: str, now: int) -> None:
    db.execute(
        """UPDATE sessions SET guesses = max(guesses - 1, 0),
               modified = CASE WHEN validated_at IS NULL THEN ? ELSE modified END,
               validated_at = coalesce(validated_at, ?)
           WHERE sid = ?""",
        (now, now, sid),
    )


def _purge(db: sqlite3.Connection, modified_before: int, step: int) -> int:
    return db.execute(
        "DELETE FROM sessions WHERE sid IN (SELECT sid FROM sessions WHERE modified < ? LIMIT ?)",
        (modified_before, step),
    ).rowcount
