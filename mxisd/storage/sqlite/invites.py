"""Invites."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from msgspec import structs

from ...matrix.threepid import ThreePid
from ..records import End, Invite, InviteCounts, Taker
from ..rows import read, values_of
from .database import SQLiteDatabase
from .outbox import abandon_messages, has_queued_message, queue


class SQLiteInvites:
    """:class:`mxisd.storage.contract.InviteStorage` on SQLite."""

    def __init__(self, database: SQLiteDatabase) -> None:
        self._database = database

    async def add(
        self, invite: Invite, *, resend_before: int, reminder_due: int | None = None, taker: Taker | None = None
    ) -> Invite:
        if taker is not None:
            return await self._database.write(_give, invite, resend_before, taker)
        return await self._database.write(_add, invite, resend_before, reminder_due)

    async def get(self, token: str) -> Invite | None:
        return await self._database.look_up(_get, token)

    async def pending(self, threepid: ThreePid) -> list[Invite]:
        return await self._database.look_up(pending_invites, threepid)

    async def has_ephemeral_key(self, public_key: str) -> bool:
        return await self._database.look_up(_has_ephemeral_key, public_key)

    async def claim_due(self, now: int, next_due: int, limit: int) -> list[Invite]:
        return await self._database.write(_claim_due, now, next_due, limit)

    async def missed_remotely(self, invites: Mapping[str, int]) -> None:
        await self._database.write(_missed_remotely, invites)

    async def page(self, *, ended: bool, offset: int, limit: int) -> list[Invite]:
        return await self._database.read(_page, ended, offset, limit)

    async def count(self) -> InviteCounts:
        return await self._database.read(_count)

    async def purge(self, ended_before: int) -> int:
        return await self._database.delete_in_steps(_purge, ended_before)

    async def end(self, token: str, end: End, user_id: str | None, destination: str | None, now: int) -> Invite | None:
        return await self._database.write(_end, token, end, user_id, destination, now)

    async def resolve(self, users: Sequence[tuple[ThreePid, str, str]], now: int) -> list[Invite]:
        return await self._database.write(_resolve, users, now)

    async def sign(self, token: str, user_id: str, now: int, limit: int) -> Invite | None:
        return await self._database.write(_sign, token, user_id, now, limit)


def pending_invites(db: sqlite3.Connection, threepid: ThreePid) -> list[Invite]:
    """The pending invites of an address, the oldest first."""
    rows = db.execute(
        "SELECT * FROM invites WHERE medium = ? AND address = ? AND ended IS NULL ORDER BY created", threepid
    )
    return [read(Invite, row) for row in rows]


def end_invite(
    db: sqlite3.Connection,
    invite: Invite,
    end: End,
    user_id: str | None,
    destination: str | None,
    now: int,
    due: int | None = None,
) -> Invite:
    """End a pending invite, and return it so; the caller is in a transaction.  The onbind is due now, or at ``due``."""
    if user_id in (invite.sender, *invite.signed_by):
        end, destination = "accepted", None
    db.execute(
        "UPDATE invites SET ended = ?, ended_at = ?, user_id = ?, ephemeral_private_key = '' WHERE token = ?",
        (end, now, user_id, invite.token),
    )
    abandon_messages(db, invite.token, f"the invite has ended: {end}")
    if destination is not None:
        queue(db, "onbind", destination, invite.threepid, invite.token, user_id, now if due is None else due)
    return structs.replace(invite, ended=end, ended_at=now, user_id=user_id, ephemeral_private_key="")


def _add(db: sqlite3.Connection, invite: Invite, resend_before: int, reminder_due: int | None) -> Invite:
    known = _same_pending(db, invite)
    if known is None:
        if given := _same_given(db, invite, resend_before, None):
            return given
        _insert(db, invite)
        queue(db, "message", invite.threepid.medium, invite.threepid, invite.token, None, invite.created)
        if reminder_due is not None:
            queue(db, "reminder", invite.threepid.medium, invite.threepid, invite.token, None, reminder_due)
        return invite
    proves = invite.proven and not known.proven
    if proves:
        known = structs.replace(known, proven=True, fields=invite.fields)
        db.execute("UPDATE invites SET proven = :proven, fields = :fields WHERE token = :token", values_of(known))
    recent = not proves and (known.notified_at or 0) >= resend_before
    if recent or has_queued_message(db, known.token):
        return known
    db.execute("UPDATE invites SET notified_at = ? WHERE token = ?", (invite.created, known.token))
    queue(db, "message", known.threepid.medium, known.threepid, known.token, None, invite.created)
    return structs.replace(known, notified_at=invite.created)


def _give(db: sqlite3.Connection, invite: Invite, resend_before: int, taker: Taker) -> Invite:
    """What :meth:`SQLiteInvites.add` does if there is a taker."""
    known = _same_pending(db, invite)
    if known is None:
        if given := _same_given(db, invite, resend_before, taker.user_id):
            return given
        _insert(db, invite)
    return end_invite(db, known or invite, "resolved", taker.user_id, taker.destination, invite.created, due=taker.due)


# What is the same in an invite that a homeserver sends once more.
_SAME = "address = :address AND medium = :medium AND room_id = :room_id AND sender = :sender"


def _same_pending(db: sqlite3.Connection, invite: Invite) -> Invite | None:
    row = db.execute(f"SELECT * FROM invites WHERE {_SAME} AND ended IS NULL", values_of(invite)).fetchone()  # noqa: S608
    return read(Invite, row) if row else None


def _same_given(db: sqlite3.Connection, invite: Invite, since: int, user_id: str | None) -> Invite | None:
    """One that has ended as resolved since a time, to this user if one is given."""
    row = db.execute(
        f"""SELECT * FROM invites WHERE ended IS NOT NULL AND ended_at >= :since AND ended = 'resolved' AND {_SAME}
            AND user_id = coalesce(:taker, user_id) ORDER BY ended_at DESC LIMIT 1""",  # noqa: S608
        {**values_of(invite), "since": since, "taker": user_id},
    ).fetchone()
    return read(Invite, row) if row else None


def _insert(db: sqlite3.Connection, invite: Invite) -> None:
    db.execute(
        """INSERT INTO invites VALUES (:token, :medium, :address, :room_id, :sender, :created,
               :ephemeral_public_key, :ephemeral_private_key, :fields, :due, :remote_due, :remote_misses,
               :notified_at, :ended, :ended_at, :user_id, :proven, :only_key, :signed_by, :key_id)""",
        values_of(invite),
    )


def _sign(db: sqlite3.Connection, token: str, user_id: str, now: int, limit: int) -> Invite | None:
    invite = _get(db, token)
    if invite is None or len(invite.signed_by.keys() - {user_id}) >= limit:
        return None
    signed = structs.replace(invite, signed_by=invite.signed_by | {user_id: now})
    db.execute("UPDATE invites SET signed_by = :signed_by WHERE token = :token", values_of(signed))
    abandon_messages(db, token, f"the invite was signed for {user_id}")
    return signed


def _get(db: sqlite3.Connection, token: str) -> Invite | None:
    row = db.execute("SELECT * FROM invites WHERE token = ?", (token,)).fetchone()
    return read(Invite, row) if row else None


def _has_ephemeral_key(db: sqlite3.Connection, public_key: str) -> bool:
    return db.execute("SELECT 1 FROM invites WHERE ephemeral_public_key = ?", (public_key,)).fetchone() is not None


def _end(
    db: sqlite3.Connection, token: str, end: End, user_id: str | None, destination: str | None, now: int
) -> Invite | None:
    invite = _get(db, token)
    if invite is None or invite.ended is not None:
        return None
    return end_invite(db, invite, end, user_id, destination, now)


def _resolve(db: sqlite3.Connection, users: Sequence[tuple[ThreePid, str, str]], now: int) -> list[Invite]:
    return [
        end_invite(db, invite, "resolved", user_id, destination, now)
        for threepid, user_id, destination in users
        for invite in pending_invites(db, threepid)
    ]


def _claim_due(db: sqlite3.Connection, now: int, next_due: int, limit: int) -> list[Invite]:
    rows = db.execute(
        "SELECT * FROM invites WHERE ended IS NULL AND due <= ? ORDER BY due, address LIMIT ?", (now, limit)
    ).fetchall()
    db.executemany("UPDATE invites SET due = ? WHERE token = ?", [(next_due, row["token"]) for row in rows])
    return [structs.replace(read(Invite, row), due=next_due) for row in rows]


def _missed_remotely(db: sqlite3.Connection, invites: Mapping[str, int]) -> None:
    db.executemany(
        "UPDATE invites SET remote_due = ?, remote_misses = remote_misses + 1 WHERE token = ?",
        [(due, token) for token, due in invites.items()],
    )


def _page(db: sqlite3.Connection, ended: bool, offset: int, limit: int) -> list[Invite]:
    query = (
        "SELECT * FROM invites WHERE ended IS NOT NULL ORDER BY ended_at DESC, token LIMIT ? OFFSET ?"
        if ended
        else "SELECT * FROM invites WHERE ended IS NULL ORDER BY created, token LIMIT ? OFFSET ?"
    )
    return [read(Invite, row) for row in db.execute(query, (limit, offset))]


def _count(db: sqlite3.Connection) -> InviteCounts:
    (every,) = db.execute("SELECT count(*) FROM invites").fetchone()
    (pending,) = db.execute("SELECT count(*) FROM invites WHERE ended IS NULL").fetchone()
    return InviteCounts(pending, every - pending)


def _purge(db: sqlite3.Connection, ended_before: int, step: int) -> int:
    stale = [
        (row["token"],)
        for row in db.execute(
            """SELECT token FROM invites WHERE ended IS NOT NULL AND ended_at < ? AND NOT EXISTS (
                   SELECT 1 FROM deliveries WHERE deliveries.token = invites.token AND state = 'queued')
               LIMIT ?""",
            (ended_before, step),
        )
    ]
    db.executemany("DELETE FROM deliveries WHERE token = ?", stale)
    db.executemany("DELETE FROM invites WHERE token = ?", stale)
    return len(stale)
