"""``wordpress``: users of a WordPress site, looked up in its database and logged in by its JWT plugin."""

from __future__ import annotations

from msgspec import Struct

from ..config.sql import Wordpress
from ..lookup.source import Source
from ..matrix.threepid import EMAIL
from ..net.http_client import Http
from ..reactor import IReactor
from ..services import Service
from .address import kept
from .localpart import UserIds
from .sql.build import Warn, database_of
from .sql.query import Query
from .sql.search import Search, search_of_parts
from .sql.store import Queries, SqlStore
from .store import Profile, Store

_PREFIX = "%TABLE_PREFIX%"
_LOOKUP = (
    "SELECT user_login AS uid, user_email AS address FROM %TABLE_PREFIX%users WHERE 'email' = ? AND user_email IN (?)"
)
_LISTING = "SELECT user_login AS mxid, 'email' AS medium, user_email AS address FROM %TABLE_PREFIX%users"
_BY_NAME = """
    SELECT DISTINCT u.user_login, u.display_name FROM %TABLE_PREFIX%users u
    LEFT JOIN %TABLE_PREFIX%usermeta m ON m.user_id = u.ID AND m.meta_key IN ('nickname', 'first_name', 'last_name')
    WHERE u.display_name LIKE ? OR m.meta_value LIKE ?"""
_BY_THREEPID = "SELECT user_login, display_name FROM %TABLE_PREFIX%users WHERE user_email LIKE ?"


class WordpressFailed(Exception):
    """The site answered with an error."""


class _LoggedIn(Struct):
    user_email: str = ""
    user_display_name: str | None = None


def wordpress_store(
    config: Wordpress, reactor: IReactor, http: Http, user_ids: UserIds, warn: Warn
) -> tuple[Store, Service]:
    """The store, and its threads.  Raises :class:`~mxisd.config.ConfigError`."""
    sql = config.sql
    database, threads = database_of("wordpress.sql", sql.type, sql.connection or "", reactor, warn)

    def query(text: str) -> Query:
        return database.query(text.replace(_PREFIX, sql.table_prefix))

    def search(text: str) -> Search:
        return search_of_parts(text.replace(_PREFIX, sql.table_prefix), database.dialect, "localpart")

    own = {medium: query(text) for medium, text in (sql.query.threepid or {}).items()}
    searches = {"name": _BY_NAME, "threepid": _BY_THREEPID} if sql.query.directory is None else sql.query.directory
    queries = Queries(
        identity_by_medium=own,
        identity_type="localpart",
        bulk=query(_LOOKUP) if sql.query.threepid is None else None,
        by_name=search(searches["name"]) if "name" in searches else None,
        by_threepid=search(searches["threepid"]) if "threepid" in searches else None,
        listing=query(_LISTING),
    )

    async def constant() -> Queries:
        return queries

    store = SqlStore("wordpress", database, constant, user_ids)
    login = WordpressLogin(f"{config.rest.base}/wp-json/jwt-auth/v1/token", http, store, user_ids)
    return Store("wordpress", source=store, directory=store, listing=store, authentication=login), threads


class WordpressLogin:
    """Checks passwords by logging in to the site."""

    def __init__(self, url: str, http: Http, users: Source, user_ids: UserIds) -> None:
        self._url = url
        self._http = http
        self._users = users
        self._user_ids = user_ids

    async def authenticate(self, user_id: str, password: str) -> Profile | None:
        """See :class:`~mxisd.stores.store.Authentication`.  Raises :class:`WordpressFailed`."""
        name = self._user_ids.name_of(user_id)
        if name is None:
            return None
        answer = await self._http.request("POST", self._url, json={"username": name, "password": password})
        if answer.status in {401, 403}:
            return None
        if answer.status != 200:
            raise WordpressFailed(f"{answer.url} answered with the status {answer.status}")
        user = answer.decode(_LoggedIn)
        threepid = kept(EMAIL, user.user_email)
        # WordPress lets users log in by their addresses too, which may be what somebody else is called.
        if (await self._users.lookup([threepid])).get(threepid) != user_id:
            return None
        return Profile(user_id, user.user_display_name or None, (threepid,))
