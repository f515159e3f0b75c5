"""Bindings."""

from __future__ import annotations

from collections.abc import Sequence

from ...matrix.threepid import ThreePid, spellings
from ..records import Binding, Invite
from ..rows import read, values_of
from .connection import Rows
from .database import PostgreSQLDatabase
from .indexed import FORGOTTEN, INDEXED, LISTED
from .invites import ending, held
from .statement import lock, statement
from .values import Value

_BIND = f"""
    WITH bound AS (
        INSERT INTO mxisd_bindings AS known (medium, address, user_id, bound_at, signed, spellings)
        VALUES (:medium, :address, :user_id, :bound_at, :signed, :spellings)
        ON CONFLICT (address, medium) DO UPDATE SET
            user_id = excluded.user_id, bound_at = excluded.bound_at, signed = excluded.signed
        RETURNING *),
    {INDEXED},
    {ending("medium = :medium AND address = :address")},
    queued AS (
        INSERT INTO mxisd_deliveries (kind, destination, medium, address, token, user_id, created, due)
        SELECT 'onbind', :destination, medium, address, told.token, bound.user_id, bound_at, bound_at
        FROM bound LEFT JOIN (SELECT * FROM ended WHERE ended <> 'accepted') AS told USING (medium, address)
        ORDER BY told.created)
    SELECT * FROM ended ORDER BY created, token"""
_UNBIND = f"""
    WITH unbound AS (
        DELETE FROM mxisd_bindings WHERE medium = :medium AND address = :address AND user_id = :user_id RETURNING *),
    {FORGOTTEN}
    SELECT FROM unbound"""


class PostgreSQLBindings:
    """:class:`mxisd.storage.contract.BindingStorage` on PostgreSQL."""

    def __init__(self, database: PostgreSQLDatabase) -> None:
        self._database = database

    async def get(self, threepid: ThreePid) -> Binding | None:
        found = await self._database.find(
            "SELECT * FROM mxisd_bindings WHERE address = ANY(:keys) AND medium = :medium",
            _by_address,
            [threepid.address],
            medium=threepid.medium,
        )
        return found.get(threepid.address)

    async def users_of(self, threepids: Sequence[ThreePid]) -> dict[ThreePid, str]:
        by_medium: dict[str, list[str]] = {}
        for medium, address in threepids:
            by_medium.setdefault(medium, []).append(address)
        users = {
            medium: await self._database.find(
                """SELECT json_object_agg(address, user_id) AS users FROM mxisd_bindings
                   WHERE address = ANY(:keys) AND medium = :medium""",
                _users,
                addresses,
                medium=medium,
            )
            for medium, addresses in by_medium.items()
        }
        return {
            threepid: users[threepid.medium][threepid.address]
            for threepid in threepids
            if threepid.address in users[threepid.medium]
        }

    async def bind(self, binding: Binding, destination: str) -> list[Invite]:
        *_, rows = await self._database.step(
            LISTED,
            *held(binding.threepid),
            statement(_BIND, **bound(binding), destination=destination, end="bound", now=binding.bound_at),
        )
        return [read(Invite, row) for row in rows]

    async def unbind(self, threepid: ThreePid, user_id: str) -> bool:
        *_, unbound = await self._database.step(
            LISTED, lock(*threepid), statement(_UNBIND, **threepid._asdict(), user_id=user_id)
        )
        return bool(unbound)


def _by_address(rows: Rows) -> dict[str, Binding]:
    return {row["address"]: read(Binding, row) for row in rows}


def _users(rows: Rows) -> dict[str, str]:
    return rows[0]["users"] or {}


def bound(binding: Binding) -> dict[str, Value]:
    """The columns of a binding, with all that clients may hash for the address."""
    return values_of(binding) | {"spellings": [spelling.address for spelling in spellings(binding.threepid)]}
