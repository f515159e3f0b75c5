"""An identity store in a database of any form: the administrator writes the queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ...log import Logger
from ...lookup.source import Batch
from ...matrix.threepid import ThreePid
from ..address import in_all_spellings, kept, spare
from ..localpart import UserIds
from ..store import Entry
from .database import QueryFailed, SqlDatabase, SqlTable
from .query import Query
from .search import Search

log = Logger()

# So many addresses in one statement: every database takes that many values.
_BULK = 1_000


class Typed(Struct, frozen=True):
    """A query, and what user IDs are in it: ``mxid``, or ``localpart``, also called ``uid``."""

    query: Query
    type: str | None
    """``None`` leaves it to the value, which is a user ID if it begins with ``@``."""


class Queries(Struct, frozen=True):
    """What to ask the database; ``None`` for what it cannot tell."""

    identity: Query | None = None
    """Binds the medium, unless it has but one ``?``, and the address; column ``uid``."""
    identity_by_medium: Mapping[str, Query] = {}
    identity_type: str | None = None
    bulk: Query | None = None
    """Binds the medium and a list of addresses; columns ``uid`` and ``address``."""
    by_name: Search | None = None
    """Here and in the next: user ID, display name, and perhaps an avatar."""
    by_threepid: Search | None = None
    display_name: Query | None = None
    """Here and in the next all values are the user ID."""
    threepids: Query | None = None
    """Medium and address."""
    roles: Typed | None = None
    unindexed: Query | None = None
    """Medium, address and user ID of what ``identity`` does not find, in no time that many lookups could take."""
    still: Query | None = None
    """Whether there is such a row, the values of which it binds."""
    listing: Query | None = None
    """Columns ``mxid``, ``medium`` and ``address``."""


class SqlStore:
    """Answers from a database."""

    local = True

    def __init__(
        self, name: str, database: SqlDatabase, queries: Callable[[], Awaitable[Queries]], user_ids: UserIds
    ) -> None:
        self.name = name
        self._database = database
        self._queries = queries
        self._user_ids = user_ids

    @in_all_spellings
    async def lookup(self, threepids: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        queries = await self._queries()
        by_medium = defaultdict(list)
        for threepid in threepids:
            by_medium[threepid.medium].append(threepid)
        found: dict[ThreePid, str] = {}
        for medium, asked in by_medium.items():
            single = queries.identity_by_medium.get(medium, queries.identity)
            if queries.bulk and medium not in queries.identity_by_medium and (len(asked) > 1 or single is None):
                try:
                    found |= await self._find_together(queries.bulk, queries.identity_type, medium, asked)
                    continue
                except QueryFailed as error:
                    if single is None:
                        raise
                    log.warn("{store} is asked for each address, since for all {error}", store=self.name, error=error)
            if single is not None:
                found |= await self._find_each(single, queries.identity_type, asked)
        return found

    async def _find_together(
        self, query: Query, type_: str | None, medium: str, asked: Sequence[ThreePid]
    ) -> dict[ThreePid, str]:
        found: dict[ThreePid, str] = {}
        for start in range(0, len(asked), _BULK):
            by_address = {threepid.address: threepid for threepid in asked[start : start + _BULK]}
            table = await self._database.find(query.spread(len(by_address)), [medium, *by_address])
            uid, address = table.column("uid"), table.column("address")
            for row in table.rows:
                user_id = self._user_id(row[uid], type_)
                if user_id is not None:
                    threepid = by_address.get(row[address]) or kept(medium, _text(row[address]))
                    found.setdefault(threepid, user_id)
        return found

    async def _find_each(self, query: Query, type_: str | None, asked: Sequence[ThreePid]) -> dict[ThreePid, str]:
        # ThreePid is medium and address, in the order in which they are bound.
        values = [threepid[-query.parameters :] for threepid in asked]
        if len(values) == 1:
            tables: Sequence[SqlTable | QueryFailed] = [await self._database.find(query.sql, values[0])]
        else:
            tables = await self._database.find_each(query.sql, values)
        spare(tables)
        found = {}
        for threepid, table in zip(asked, tables, strict=True):
            if isinstance(table, QueryFailed):
                continue
            uid = table.column("uid")
            user_id = next(filter(None, (self._user_id(row[uid], type_) for row in table.rows)), None)
            if user_id is not None:
                found[threepid] = user_id
        return found

    async def display_name(self, user_id: str) -> str | None:
        query = (await self._queries()).display_name
        rows = await self._rows(query, user_id)
        return next((_text(row[0]) for row in rows if row[0] is not None), None)

    async def threepids(self, user_id: str) -> Sequence[ThreePid]:
        query = (await self._queries()).threepids
        return [kept(_text(medium), _text(address)) for medium, address, *_ in await self._rows(query, user_id)]

    async def roles(self, user_id: str) -> frozenset[str]:
        roles = (await self._queries()).roles
        if roles is None:
            return frozenset()
        if roles.type in {"mxid", None}:
            rows = await self._rows(roles.query, user_id)
        else:
            rows = await self._rows_of_name(roles.query, self._user_ids.name_of(user_id))
        return frozenset(_text(row[0]) for row in rows if row[0] is not None)

    async def _rows_of_name(self, query: Query, name: str | None) -> Sequence[Sequence[Any]]:
        if name is None:
            return ()
        if self._database.dialect != "mysql" or name.isascii():
            return await self._rows(query, name)
        # By its usual collations MySQL takes "ádmin" for "admin", who is somebody else to a homeserver.  So such a name
        # is compared letter by letter.  Its case is not known: those are tried in which names are written.
        for spelt in dict.fromkeys((name, name.title(), name.capitalize(), name.upper())):
            if rows := (await self._database.find(query.exact, [spelt] * query.parameters)).rows:
                return rows
        return ()

    async def search_by_name(self, term: str, limit: int) -> Sequence[Entry]:
        return await self._search((await self._queries()).by_name, term, limit)

    async def search_by_threepid(self, term: str, limit: int) -> Sequence[Entry]:
        return await self._search((await self._queries()).by_threepid, term, limit)

    async def batches(self) -> AsyncIterator[Batch]:
        query = (await self._queries()).listing
        if query is None:
            return
        async for table in self._database.stream(query.sql):
            yield list(self._listed(table))

    def _listed(self, table: SqlTable) -> Iterable[tuple[ThreePid, str]]:
        user, medium, address = (table.column(name) for name in ("mxid", "medium", "address"))
        for row in table.rows:
            user_id = self._user_id(row[user], None)
            if user_id is not None and row[address]:
                yield kept(_text(row[medium]), _text(row[address])), user_id

    async def _search(self, search: Search | None, term: str, limit: int) -> list[Entry]:
        if search is None or not term.isprintable():
            return []
        rows = (await self._database.find(search.query.sql, search.values(term))).rows
        entries = []
        for user, name, *avatar in rows:
            user_id = self._user_id(user, search.type)
            if user_id is not None:
                shown = None if name is None else _text(name)
                entries.append(Entry(user_id, shown, _text(avatar[0]) if avatar and avatar[0] else None))
        return entries[:limit]

    async def _rows(self, query: Query | None, value: str) -> Sequence[Sequence[Any]]:
        if query is None or not value.isprintable():
            return ()
        return (await self._database.find(query.sql, [value] * query.parameters)).rows

    def _user_id(self, value: object, type_: str | None) -> str | None:
        if value is None:
            return None
        text = _text(value)
        if type_ == "mxid" or (type_ is None and text.startswith("@")):
            return self._user_ids.checked(text)
        return self._user_ids.of_name(text)


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
