"""The queries for Synapse's database, in all its versions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from ...log import Logger
from .database import SqlDatabase
from .query import Dialect, Query
from .search import Search, search_of_parts
from .store import Queries, Typed

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
# Guests, users of application services and those who have left are nobody to be found.
_BY_NAME = """
    SELECT u.name, p.displayname, p.avatar_url FROM users u LEFT JOIN profiles p ON {profile} = u.name
    WHERE u.is_guest = 0 AND u.deactivated = 0 AND u.appservice_id IS NULL
    AND (lower(p.displayname) LIKE lower(?) ESCAPE '\\' OR {localpart} LIKE lower(?) ESCAPE '\\') LIMIT 200"""
_BY_THREEPID = """
    SELECT DISTINCT t.user_id, p.displayname, p.avatar_url
    FROM user_threepids t LEFT JOIN profiles p ON {profile} = t.user_id
    WHERE lower(t.address) LIKE lower(?) ESCAPE '\\' LIMIT 200"""


class _Way(NamedTuple):
    """A query, and the columns without which it does not work."""

    needs: frozenset[str]
    text: str


def _ways(dialect: Dialect, domain: str) -> Mapping[str, Sequence[_Way]]:
    """By the name that a query has in :class:`Queries`: the ways to ask, best first."""
    threepids = frozenset({"user_threepids.user_id", "user_threepids.medium", "user_threepids.address"})
    users = frozenset({"users.name", "users.is_guest", "users.appservice_id", "users.deactivated"})
    full = frozenset({"profiles.full_user_id", "profiles.displayname", "profiles.avatar_url"})
    # Before Synapse 1.84 profiles were those of localparts only.  A server name has no quotation marks in it.
    old = frozenset({"profiles.user_id", "profiles.displayname", "profiles.avatar_url"})
    old_id = f"'@' || p.user_id || ':{domain}'"

    def by(text: str, profile: str) -> str:
        # Neither of these has come from outside.
        return text.replace("{profile}", profile).replace("{localpart}", _LOCALPART[dialect])

    return {
        "identity": [_Way(threepids, "SELECT user_id AS uid FROM user_threepids WHERE medium = ? AND address = ?")],
        "bulk": [
            _Way(threepids, "SELECT user_id AS uid, address FROM user_threepids WHERE medium = ? AND address IN (?)")
        ],
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
        "listing": [_Way(threepids, "SELECT user_id AS mxid, medium, address FROM user_threepids")],
    }


def synapse_queries(
    name: str, database: SqlDatabase, domain: str, configured: Queries
) -> Callable[[], Awaitable[Queries]]:
    """
    Completes the queries that are configured by those that the Synapse at hand understands.

    It is asked for its tables once, when first needed.  What it does not have is not asked for, with a line in the log.
    """
    known: list[Queries] = []

    async def queries() -> Queries:
        if not known:
            columns = {
                f"{table}.{column}" for table, column in (await database.find(_COLUMNS[database.dialect], ())).rows
            }
            built_in = _choose(name, database, domain, columns, configured)
            known.append(replace(configured, **built_in))
        return known[0]

    return queries


def _choose(
    name: str, database: SqlDatabase, domain: str, columns: set[str], configured: Queries
) -> dict[str, Query | Typed | Search]:
    chosen: dict[str, Any] = {}
    # The two ways to look up have to agree.
    own_lookup = configured.identity or configured.bulk
    for part, ways in _ways(database.dialect, domain).items():
        if getattr(configured, part) is not None or (own_lookup and part in {"identity", "bulk"}):
            continue
        way = next((way for way in ways if way.needs <= columns), None)
        if way is None:
            log.info("{store}: this Synapse has no tables for {part}", store=name, part=part.replace("_", " "))
            continue
        if part in {"by_name", "by_threepid"}:
            chosen[part] = search_of_parts(way.text, database.dialect, "mxid")
            continue
        query = database.query(way.text)
        chosen[part] = Typed(query, "mxid") if part == "roles" else query
    return chosen
