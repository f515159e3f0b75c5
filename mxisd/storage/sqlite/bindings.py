"""Published bindings."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from msgspec import json, structs

from ...matrix.threepid import ThreePid
from ..records import Binding, Invite
from .database import Database
from .hashes import forget_binding, index_binding
from .invites import end_invite, pending_invites
from .outbox import queue
from .rows import parameters, read


class SQLiteBindings:
    """:class:`mxisd.storage.contract.Bindings` on SQLite."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, threepid: ThreePid) -> Binding | None:
        return await self._database.find(_get_many, threepid)

    async def users_of(self, threepids: Sequence[ThreePid]) -> dict[ThreePid, str]:
        return await self._database.read(_users_of, threepids)

    async def bind(self, binding: Binding, destination: str) -> list[Invite]:
        return await self._database.write(_bind, binding, destination)

    async def unbind(self, threepid: ThreePid, mxid: str) -> bool:
        return await self._database.write(_unbind, threepid, mxid)


# json_each gives any number of addresses to one statement, which is prepared once; CROSS JOIN keeps the order:
# a search of the table for each address.


def _get_many(db: sqlite3.Connection, threepids: Sequence[ThreePid]) -> dict[ThreePid, Binding]:
    found = {}
    for medium, addresses in _by_medium(threepids).items():
        for row in db.execute(
            """SELECT bindings.* FROM json_each(?) AS asked
               CROSS JOIN bindings ON address = asked.value AND medium = ?""",
            (json.encode(addresses).decode(), medium),
        ):
            found[ThreePid(medium, row["address"])] = read(Binding, row)
    return found


def _users_of(db: sqlite3.Connection, threepids: Sequence[ThreePid]) -> dict[ThreePid, str]:
    found = {}
    for medium, addresses in _by_medium(threepids).items():
        for address, mxid in db.execute(
            """SELECT address, mxid FROM json_each(?) AS asked
               CROSS JOIN bindings ON address = asked.value AND medium = ?""",
            (json.encode(addresses).decode(), medium),
        ):
            found[ThreePid(medium, address)] = mxid
    return found


def _by_medium(threepids: Sequence[ThreePid]) -> dict[str, list[str]]:
    addresses: dict[str, list[str]] = {}
    for medium, address in threepids:
        addresses.setdefault(medium, []).append(address)
    return addresses


def _bind(db: sqlite3.Connection, binding: Binding, destination: str) -> list[Invite]:
    db.execute(
        "INSERT OR REPLACE INTO bindings VALUES (:medium, :address, :mxid, :bound_at, :signed)", parameters(binding)
    )
    index_binding(db, binding.threepid, binding.mxid)
    waiting = pending_invites(db, binding.threepid)
    for invite in waiting:
        end_invite(db, invite, "bound", binding.mxid, destination, binding.bound_at)
    if not waiting:
        queue(db, "onbind", destination, binding.threepid, None, binding.mxid, binding.bound_at)
    return [
        structs.replace(invite, ended="bound", ended_at=binding.bound_at, mxid=binding.mxid, ephemeral_private_key="")
        for invite in waiting
    ]


def _unbind(db: sqlite3.Connection, threepid: ThreePid, mxid: str) -> bool:
    removed = db.execute("DELETE FROM bindings WHERE medium = ? AND address = ? AND mxid = ?", (*threepid, mxid))
    if removed.rowcount:
        forget_binding(db, threepid)
    return bool(removed.rowcount)
