"""Bindings."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from msgspec import json

from ...matrix.threepid import ThreePid
from ..records import Binding, Invite
from ..rows import values_of
from .database import FEW, SQLiteDatabase
from .hashes import forget_binding, index_binding
from .invites import end_invite, pending_invites
from .outbox import queue


class SQLiteBindings:
    """:class:`mxisd.storage.contract.BindingStorage` on SQLite."""

    def __init__(self, database: SQLiteDatabase) -> None:
        self._database = database

    async def get(self, threepid: ThreePid) -> Binding | None:
        return await self._database.look_up(_get, threepid)

    async def users_of(self, threepids: Sequence[ThreePid]) -> dict[ThreePid, str]:
        run = self._database.look_up if len(threepids) <= FEW else self._database.read
        return await run(_users_of, threepids)

    async def bind(self, binding: Binding, destination: str) -> list[Invite]:
        return await self._database.write(_bind, binding, destination)

    async def unbind(self, threepid: ThreePid, user_id: str) -> bool:
        return await self._database.write(_unbind, threepid, user_id)


def _get(db: sqlite3.Connection, threepid: ThreePid) -> Binding | None:
    row = db.execute(
        "SELECT user_id, bound_at, signed FROM bindings WHERE medium = ? AND address = ?", threepid
    ).fetchone()
    if row is None:
        return None
    return Binding(threepid=threepid, user_id=row["user_id"], bound_at=row["bound_at"], signed=row["signed"])


def _users_of(db: sqlite3.Connection, threepids: Sequence[ThreePid]) -> dict[ThreePid, str]:
    by_medium: dict[str, list[ThreePid]] = {}
    for threepid in threepids:
        by_medium.setdefault(threepid.medium, []).append(threepid)
    found: dict[ThreePid, str] = {}
    for medium, some in by_medium.items():
        users = _users_by_address(db, medium, [threepid.address for threepid in some])
        found |= {threepid: users[threepid.address] for threepid in some if threepid.address in users}
    return found


def _users_by_address(db: sqlite3.Connection, medium: str, addresses: Sequence[str]) -> dict[str, str]:
    # With json_each one prepared statement takes any number of addresses.  CROSS JOIN makes SQLite search the table for
    # each address, and not the other way round.  One row: for each fetched row a thread has to wait for the GIL.
    row = db.execute(
        """SELECT json_group_object(address, user_id) FROM json_each(?) AS asked
           CROSS JOIN bindings ON address = asked.value AND medium = ?""",
        (json.encode(addresses).decode(), medium),
    ).fetchone()
    return json.decode(row[0], type=dict[str, str])


def _bind(db: sqlite3.Connection, binding: Binding, destination: str) -> list[Invite]:
    db.execute(
        "INSERT OR REPLACE INTO bindings VALUES (:medium, :address, :user_id, :bound_at, :signed)", values_of(binding)
    )
    index_binding(db, binding.threepid, binding.user_id)
    ended = [
        end_invite(db, invite, "bound", binding.user_id, destination, binding.bound_at)
        for invite in pending_invites(db, binding.threepid)
    ]
    if all(invite.ended == "accepted" for invite in ended):
        queue(db, "onbind", destination, binding.threepid, None, binding.user_id, binding.bound_at)
    return ended


def _unbind(db: sqlite3.Connection, threepid: ThreePid, user_id: str) -> bool:
    removed = db.execute("DELETE FROM bindings WHERE medium = ? AND address = ? AND user_id = ?", (*threepid, user_id))
    if removed.rowcount:
        forget_binding(db, threepid)
    return bool(removed.rowcount)
