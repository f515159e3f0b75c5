"""Invites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...matrix.threepid import ThreePid
from ..records import End, Invite, InviteCounts, Taker
from ..rows import columns, read, values_of
from .database import PostgreSQLDatabase
from .rows import listed, placeholders
from .statement import Statement, lock, statement
from .values import Value


def ending(which: str) -> str:
    """
    Part of a statement that ends the pending invites of a condition, as ``ended``; their messages are abandoned.

    Those that were signed for the very user, or sent by this user, end as accepted.
    """
    return f"""
    ended AS (
        UPDATE mxisd_invites SET
            ended = CASE WHEN sender = :user_id OR jsonb_exists(signed_by::jsonb, :user_id)
                THEN 'accepted' ELSE :end END,
            ended_at = :now, user_id = :user_id, ephemeral_private_key = ''
        WHERE {which} AND ended IS NULL RETURNING *),
    abandoned AS (
        UPDATE mxisd_deliveries AS messages SET state = 'abandoned', answer = 'the invite has ended: ' || ended.ended
        FROM ended WHERE messages.token = ended.token AND kind <> 'onbind' AND state = 'queued')"""


# What is the same in an invite that a homeserver sends once more.
_SAME = "address = :address AND medium = :medium AND room_id = :room_id AND sender = :sender"
# One that it need not send any more: it has been given to somebody, or to the one who would get it now.
_GIVEN = "ended = 'resolved' AND ended_at >= :resend_before AND user_id = coalesce(:taker::text, user_id)"
_INSERT = f"""
    INSERT INTO mxisd_invites ({listed(columns(Invite))}) SELECT {placeholders(Invite)}
    WHERE NOT EXISTS (SELECT FROM mxisd_invites WHERE {_SAME} AND (ended IS NULL OR {_GIVEN}))"""
_ADD = f"""
    WITH added AS ({_INSERT} RETURNING *)
    INSERT INTO mxisd_deliveries (kind, destination, medium, address, token, created, due)
    SELECT new.kind, medium, medium, address, token, new.due, new.due
    FROM added CROSS JOIN (VALUES ('message', :created::bigint), ('reminder', :reminder_due::bigint)) AS new (kind, due)
    WHERE new.due IS NOT NULL"""
# Does nothing to one that has just been added, whose message is queued.
_ADD_AGAIN = f"""
    WITH known AS (
        SELECT token, proves, (proves OR coalesce(notified_at, 0) < :resend_before) AND NOT EXISTS (
            SELECT FROM mxisd_deliveries AS messages
            WHERE messages.token = pending.token AND kind = 'message' AND state = 'queued') AS notifies
        FROM mxisd_invites AS pending CROSS JOIN LATERAL (SELECT :proven::boolean AND NOT proven AS proves) AS new
        WHERE {_SAME} AND ended IS NULL),
    changed AS (
        UPDATE mxisd_invites AS pending SET
            proven = pending.proven OR proves,
            fields = CASE WHEN proves THEN :fields ELSE pending.fields END,
            notified_at = CASE WHEN notifies THEN :created ELSE pending.notified_at END
        FROM known WHERE pending.token = known.token AND (proves OR notifies) RETURNING pending.*, notifies)
    INSERT INTO mxisd_deliveries (kind, destination, medium, address, token, created, due)
    SELECT 'message', medium, medium, address, token, :created::bigint, :created::bigint FROM changed WHERE notifies"""
_ADDED = f"""
    SELECT * FROM mxisd_invites WHERE {_SAME} AND (ended IS NULL OR {_GIVEN})
    ORDER BY ended_at DESC NULLS FIRST LIMIT 1"""


def _end(which: str) -> str:
    return f"""
    WITH {ending(which)},
    queued AS (
        INSERT INTO mxisd_deliveries (kind, destination, medium, address, token, user_id, created, due)
        SELECT 'onbind', :destination::text, medium, address, token, user_id, :onbind_due::bigint, :onbind_due::bigint
        FROM ended WHERE ended <> 'accepted' AND :destination::text IS NOT NULL)
    SELECT * FROM ended"""


_SIGN = """
    WITH signed AS (
        UPDATE mxisd_invites SET
            signed_by = (signed_by::jsonb || jsonb_build_object(:user_id::text, :now::bigint))::text
        WHERE token = :token
            AND (SELECT count(*) FROM jsonb_object_keys(signed_by::jsonb - :user_id::text)) < :limit
        RETURNING *),
    abandoned AS (
        UPDATE mxisd_deliveries AS messages SET
            state = 'abandoned', answer = 'the invite was signed for ' || :user_id
        FROM signed WHERE messages.token = signed.token AND kind <> 'onbind' AND state = 'queued')
    SELECT * FROM signed"""


class PostgreSQLInvites:
    """:class:`mxisd.storage.contract.InviteStorage` on PostgreSQL."""

    def __init__(self, database: PostgreSQLDatabase) -> None:
        self._database = database

    async def add(
        self, invite: Invite, *, resend_before: int, reminder_due: int | None = None, taker: Taker | None = None
    ) -> Invite:
        values: dict[str, Value] = values_of(invite) | {"resend_before": resend_before, "taker": None}
        if taker is not None:
            return await self._give(values | {"taker": taker.user_id}, taker, invite)
        *_, (row,) = await self._database.step(
            *held(invite.threepid),
            statement(_ADD, **values, reminder_due=reminder_due),
            statement(_ADD_AGAIN, **values),
            statement(_ADDED, **values),
        )
        return read(Invite, row)

    async def _give(self, values: dict[str, Value], taker: Taker, invite: Invite) -> Invite:
        ending: dict[str, Value] = {"end": "resolved", "now": invite.created, "user_id": taker.user_id}
        *_, rows, given = await self._database.step(
            *held(invite.threepid),
            statement(_INSERT, **values),
            statement(_end(_SAME), **values | ending, destination=taker.destination, onbind_due=taker.due),
            statement(_ADDED, **values),
        )
        return read(Invite, (rows or given)[0])

    async def get(self, token: str) -> Invite | None:
        rows = await self._database.run("SELECT * FROM mxisd_invites WHERE token = :token", token=token)
        return read(Invite, rows[0]) if rows else None

    async def pending(self, threepid: ThreePid) -> list[Invite]:
        rows = await self._database.run(
            """SELECT * FROM mxisd_invites WHERE medium = :medium AND address = :address AND ended IS NULL
               ORDER BY created, token""",
            **threepid._asdict(),
        )
        return [read(Invite, row) for row in rows]

    async def has_ephemeral_key(self, public_key: str) -> bool:
        return bool(
            await self._database.run("SELECT FROM mxisd_invites WHERE ephemeral_public_key = :key", key=public_key)
        )

    async def claim_due(self, now: int, next_due: int, limit: int) -> list[Invite]:
        rows = await self._database.run(
            """WITH waiting AS (
                   SELECT token, due AS since FROM mxisd_invites WHERE ended IS NULL AND due <= :now
                   ORDER BY due, address LIMIT :limit FOR UPDATE SKIP LOCKED),
               claimed AS (
                   UPDATE mxisd_invites AS claimed SET due = :next_due
                   FROM waiting WHERE claimed.token = waiting.token RETURNING claimed.*, since)
               SELECT * FROM claimed ORDER BY since, address""",
            now=now,
            next_due=next_due,
            limit=limit,
        )
        return [read(Invite, row) for row in rows]

    async def missed_remotely(self, invites: Mapping[str, int]) -> None:
        await self._database.run(
            """UPDATE mxisd_invites AS missed SET remote_due = asked.due, remote_misses = remote_misses + 1
               FROM unnest(:tokens::text[], :due::bigint[]) AS asked (token, due) WHERE missed.token = asked.token""",
            tokens=list(invites),
            due=list(invites.values()),
        )

    async def page(self, *, ended: bool, offset: int, limit: int) -> list[Invite]:
        which, order = ("ended IS NOT NULL", "ended_at DESC") if ended else ("ended IS NULL", "created")
        rows = await self._database.run(
            f"SELECT * FROM mxisd_invites WHERE {which} ORDER BY {order}, token LIMIT :limit OFFSET :offset",
            limit=limit,
            offset=offset,
        )
        return [read(Invite, row) for row in rows]

    async def count(self) -> InviteCounts:
        (row,) = await self._database.run(
            "SELECT count(*) AS every, count(*) FILTER (WHERE ended IS NULL) AS pending FROM mxisd_invites"
        )
        return InviteCounts(row["pending"], row["every"] - row["pending"])

    async def purge(self, ended_before: int) -> int:
        return await self._database.delete_in_steps(
            """WITH stale AS (
                   SELECT token FROM mxisd_invites AS invites WHERE ended IS NOT NULL AND ended_at < :before
                       AND NOT EXISTS (SELECT FROM mxisd_deliveries AS deliveries
                                       WHERE deliveries.token = invites.token AND state = 'queued')
                   LIMIT :step FOR UPDATE),
               deliveries AS (DELETE FROM mxisd_deliveries WHERE token IN (SELECT token FROM stale))
               DELETE FROM mxisd_invites WHERE token IN (SELECT token FROM stale)""",
            before=ended_before,
        )

    async def end(self, token: str, end: End, user_id: str | None, destination: str | None, now: int) -> Invite | None:
        values: dict[str, Value] = {"token": token, "user_id": user_id, "destination": destination}
        _, rows = await self._database.step(
            _held_alone(token), statement(_end("token = :token"), **values, end=end, now=now, onbind_due=now)
        )
        return read(Invite, rows[0]) if rows else None

    async def resolve(self, users: Sequence[tuple[ThreePid, str, str]], now: int) -> list[Invite]:
        answers = await self._database.step(
            # In one order for all, so that nobody waits for whom they hold up.
            *(each for threepid, user_id, to in sorted(users) for each in _resolving(threepid, user_id, to, now))
        )
        return [read(Invite, row) for ended in answers[2::3] for row in ended]

    async def sign(self, token: str, user_id: str, now: int, limit: int) -> Invite | None:
        _, rows = await self._database.step(
            _held_alone(token), statement(_SIGN, token=token, user_id=user_id, now=now, limit=limit)
        )
        return read(Invite, rows[0]) if rows else None


def _resolving(threepid: ThreePid, user_id: str, destination: str, now: int) -> tuple[Statement, Statement, Statement]:
    values: dict[str, Value] = {**threepid._asdict(), "user_id": user_id, "destination": destination}
    end = _end("address = :address AND medium = :medium")
    return *held(threepid), statement(end, **values, end="resolved", now=now, onbind_due=now)


def _held_alone(token: str) -> Statement:
    """How a step begins that changes one invite."""
    return statement("SELECT FROM mxisd_invites WHERE token = :token FOR UPDATE", token=token)


def held(threepid: ThreePid) -> tuple[Statement, Statement]:
    """
    How a step begins that changes the invites of an address: nobody else does until it ends.

    The rows are locked as well, since an invite may be ended without its address.
    """
    return lock(*threepid), statement(
        """SELECT FROM mxisd_invites WHERE address = :address AND medium = :medium AND ended IS NULL
           ORDER BY token FOR UPDATE""",
        **threepid._asdict(),
    )
