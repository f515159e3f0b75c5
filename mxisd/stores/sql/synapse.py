"""The queries for Synapse's database, in all its versions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime

from ...cache import Cache
from ...log import Logger
from ...matrix.threepid import ThreePid
from ...waiting import within
from ..address import findable, kept
from ..localpart import UserIds
from .database import SqlDatabase
from .query import Dialect, Query
from .search import Search, search_of_parts
from .store import Queries, SqlStore, Typed

log = Logger()

_COLUMNS = {
    "sqlite": "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'",
    # Only those that we may read.
    "postgresql": "SELECT table_name, column_name FROM information_schema.columns"
    " WHERE table_schema = ANY (current_schemas(false))",
}
_LOCALPART = {
    "sqlite": "substr(u.name, 2, instr(u.name, ':') - 2)",
    "postgresql": "substr(u.name, 2, strpos(u.name, ':') - 2)",
}
# Addresses that may not be as we would write them: older versions of Synapse kept them as they were typed.
_ODD = {
    "sqlite": "a.address <> lower(a.address) OR a.address GLOB '*[^!-~]*' OR a.medium = 'msisdn'"
    " AND a.address GLOB '*[^0-9]*'",
    "postgresql": "a.address <> lower(a.address) OR a.address ~ '[^!-~]' OR a.medium = 'msisdn'"
    " AND a.address ~ '[^0-9]'",
}
# Users publish on any identity server.  Where they did is found by user only; by address there is an index of what they
# have added to their accounts, which is mostly the same.
_PUBLISHED = (
    "EXISTS (SELECT 1 FROM user_threepid_id_server s"
    " WHERE s.user_id = a.user_id AND s.medium = a.medium AND s.address = a.address)"
)
_NOT_ADDED = (
    "NOT EXISTS (SELECT 1 FROM user_threepids s"
    " WHERE s.user_id = a.user_id AND s.medium = a.medium AND s.address = a.address)"
)
# Seconds: how long they are good at least, and how long a lookup waits for them.
_LEAST = 10.0
_PATIENCE = 2.0
# Guests, users of application services and those who have left are nobody to be found.
_BY_NAME = """
    SELECT u.name, p.displayname, p.avatar_url FROM users u LEFT JOIN profiles p ON {profile} = u.name
    WHERE u.is_guest = 0 AND u.deactivated = 0 AND u.appservice_id IS NULL
    AND (lower(p.displayname) LIKE lower(?) ESCAPE '\\' OR {localpart} LIKE lower(?) ESCAPE '\\') LIMIT 200"""
_BY_THREEPID = """
    SELECT DISTINCT t.user_id, p.displayname, p.avatar_url
    FROM user_threepids t LEFT JOIN profiles p ON {profile} = t.user_id
    WHERE lower(t.address) LIKE lower(?) ESCAPE '\\' LIMIT 200"""


_LOOKUP = {"identity", "bulk", "unindexed", "still"}


# By address as we would write it: medium, address and user ID as they are kept.
_Rows: TypeAlias = Mapping[ThreePid, Sequence[str]]


class _Way(NamedTuple):
    """A query, and the columns without which it does not work."""

    needs: frozenset[str]
    text: str


def _ways(dialect: Dialect, domain: str, published: bool) -> Mapping[str, Sequence[_Way]]:
    """By the name that a query has in :class:`Queries`: the ways to ask, best first."""
    threepids = frozenset({"user_threepids.user_id", "user_threepids.medium", "user_threepids.address"})
    by_address = threepids
    parts = {"{asked}": "user_threepids", "{only}": "", "{odd}": _ODD[dialect]}
    if published:
        by_address |= {column.replace("user_threepids", "user_threepid_id_server") for column in threepids}
        parts = {
            "{asked}": "user_threepid_id_server",
            "{only}": f" AND {_PUBLISHED}",
            "{odd}": f"{_ODD[dialect]} OR {_NOT_ADDED}",
        }
    users = frozenset({"users.name", "users.is_guest", "users.appservice_id", "users.deactivated"})
    full = frozenset({"profiles.full_user_id", "profiles.displayname", "profiles.avatar_url"})
    # Before Synapse 1.84 profiles were those of localparts only.  A server name has no quotation marks in it.
    old = frozenset({"profiles.user_id", "profiles.displayname", "profiles.avatar_url"})
    old_id = f"'@' || p.user_id || ':{domain}'"

    def by(text: str, profile: str) -> str:
        # Neither of these has come from outside.
        return text.replace("{profile}", profile).replace("{localpart}", _LOCALPART[dialect])

    def looking_up(text: str) -> Sequence[_Way]:
        for name, part in parts.items():
            text = text.replace(name, part)
        return [_Way(by_address, text)]

    return {
        "identity": looking_up("SELECT user_id AS uid FROM user_threepids a WHERE medium = ? AND address = ?{only}"),
        "bulk": looking_up(
            "SELECT user_id AS uid, address FROM user_threepids a WHERE medium = ? AND address IN (?){only}"
        ),
        "unindexed": looking_up("SELECT medium, address, user_id FROM {asked} a WHERE {odd} ORDER BY user_id"),
        "still": looking_up("SELECT 1 FROM {asked} WHERE medium = ? AND address = ? AND user_id = ?"),
        "by_name": [_Way(users | full, by(_BY_NAME, "p.full_user_id")), _Way(users | old, by(_BY_NAME, old_id))],
        "by_threepid": [
            _Way(threepids | full, by(_BY_THREEPID, "p.full_user_id")),
            _Way(threepids | old, by(_BY_THREEPID, old_id)),
        ],
        "display_name": [
            _Way(full, "SELECT displayname FROM profiles WHERE full_user_id = ?"),
            _Way(old, by("SELECT displayname FROM profiles p WHERE {profile} = ?", old_id)),
        ],
        "threepids": [_Way(threepids, "SELECT medium, address FROM user_threepids WHERE user_id = ?")],
        # Communities, which went with Synapse 1.61.
        "roles": [
            _Way(
                frozenset({"group_users.group_id", "group_users.user_id"}),
                "SELECT DISTINCT group_id FROM group_users WHERE user_id = ?",
            )
        ],
        "listing": looking_up("SELECT DISTINCT user_id AS mxid, medium, address FROM {asked}"),
    }


def synapse_queries(
    name: str, database: SqlDatabase, domain: str, configured: Queries, published: bool
) -> Callable[[], Awaitable[Queries]]:
    """
    Completes the queries that are configured by those that the Synapse at hand understands.

    It is asked for its tables once, when first needed.  What it does not have is not asked for, with a line in the log.
    ``published`` is whether only addresses are looked up that users have published.
    """
    known: list[Queries] = []

    async def queries() -> Queries:
        if not known:
            columns = {
                f"{table}.{column}" for table, column in (await database.find(_COLUMNS[database.dialect], ())).rows
            }
            built_in = _choose(name, database, _ways(database.dialect, domain, published), columns, configured)
            known.append(replace(configured, **built_in))
        return known[0]

    return queries


def _choose(
    name: str, database: SqlDatabase, known: Mapping[str, Sequence[_Way]], columns: set[str], configured: Queries
) -> dict[str, Query | Typed | Search]:
    chosen: dict[str, Any] = {}
    # The ways to look up have to agree.
    own_lookup = configured.identity or configured.bulk
    for part, ways in known.items():
        if getattr(configured, part) is not None or (own_lookup and part in _LOOKUP):
            continue
        way = next((way for way in ways if way.needs <= columns), None)
        if way is None:
            lacking = sorted(ways[0].needs - columns)
            log.info("{store}: no {part}: {lacking} cannot be read", store=name, part=part, lacking=", ".join(lacking))
            continue
        if part in {"by_name", "by_threepid"}:
            chosen[part] = search_of_parts(way.text, database.dialect, "mxid")
            continue
        query = database.query(way.text)
        chosen[part] = Typed(query, "mxid") if part == "roles" else query
    return chosen


class SynapseStore(SqlStore):
    """
    Finds users by addresses in any spelling, too.

    Those that no index leads to are few: all of them are read now and then, and who is found among them is asked for
    once more.
    """

    def __init__(
        self,
        name: str,
        database: SqlDatabase,
        queries: Callable[[], Awaitable[Queries]],
        user_ids: UserIds,
        clock: IReactorTime,
    ) -> None:
        super().__init__(name, database, queries, user_ids)
        self._clock = clock
        self._known: Cache[Query, _Rows] = Cache(clock, 1)
        self._last: _Rows = {}

    async def lookup(self, threepids: Sequence[ThreePid]) -> dict[ThreePid, str]:
        found = await super().lookup(threepids)
        unknown = [threepid for threepid in findable(threepids) if threepid not in found]
        queries = await self._queries()
        if not unknown or queries.unindexed is None or queries.still is None:
            return found
        rows = await self._unindexed(queries.unindexed)
        for threepid in unknown:
            row = rows.get(threepid)
            if row and (await self._database.find(queries.still.sql, row)).rows:
                found[threepid] = row[-1]
        return found

    async def _unindexed(self, query: Query) -> _Rows:
        """What no index leads to, as it was a moment ago; as it was before that, where it takes long to read."""
        try:
            return await within(
                _PATIENCE, self._clock, self._known.get(query, partial(self._load, query)), TimeoutError()
            )
        except TimeoutError:
            return self._last

    async def _load(self, query: Query, _: object) -> tuple[_Rows, float]:
        start = self._clock.seconds()
        rows: dict[ThreePid, Sequence[str]] = {}
        try:
            async for table in self._database.stream(query.sql):
                for medium, address, user_id in table.rows:
                    rows.setdefault(kept(medium, address), (medium, address, user_id))
            self._last = rows
        except Exception as error:
            # What an index leads to is found all the same.
            log.warn("{store}: addresses in other spellings cannot be read: {error}", store=self.name, error=error)
        # However large the tables are, this is one hundredth of the work at most.
        return self._last, max(_LEAST, 100 * (self._clock.seconds() - start))
