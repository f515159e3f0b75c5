"""The stores that ``sql`` and ``synapseSql`` describe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...config.engine.problems import ConfigError
from ...config.sql import Sql, SynapseSql, TypedQuery
from ...databases.location import BadLocation
from ...library import MissingLibrary
from ...reactor import IReactor
from ...services import Service
from ..localpart import UserIds
from ..pool import ThreadedPool
from ..store import Store
from .database import SqlDatabase
from .drivers import driver
from .query import Dialect, Query
from .search import Search, search, search_of_parts
from .store import Queries, SqlStore, Typed
from .synapse import SynapseStore, synapse_queries

Warn = Callable[[str], object]
"""Takes what the administrator should know at start, beginning with the key."""


def sql_store(key: str, config: Sql, reactor: IReactor, user_ids: UserIds, warn: Warn) -> tuple[Store, Service]:
    """
    The store of a section, by the key of which it is called, and its threads; ``warn`` is told what might surprise.

    Raises :class:`ConfigError`.
    """
    database, threads = database_of(key, config.type, config.connection or "", reactor, warn)
    queries = _queries(key, config, database, search)
    if config.offers(config.directory):
        _tell_of_parts(key, queries, warn)

    async def constant() -> Queries:
        return queries

    store = SqlStore(key, database, constant, user_ids)
    return _offering(config, store, lists=queries.listing is not None), threads


def synapse_store(
    key: str, config: SynapseSql, domain: str, reactor: IReactor, user_ids: UserIds, warn: Warn
) -> tuple[Store, Service]:
    """The same for the database of the Synapse that serves ``domain``."""
    database, threads = database_of(key, config.type, config.connection or "", reactor, warn)
    configured = _queries(key, config, database, search_of_parts)
    queries = synapse_queries(key, database, domain, configured, published=config.published != "all")
    store = SynapseStore(key, database, queries, user_ids, reactor)
    return _offering(config, store, lists=True), threads


def database_of(key: str, type_: str, connection: str, reactor: IReactor, warn: Warn) -> tuple[SqlDatabase, Service]:
    """The database that ``type`` and ``connection`` of a section describe.  Raises :class:`ConfigError`."""
    try:
        found = driver(type_, connection)
    except BadLocation as error:
        raise ConfigError([f"{key}.connection: {error}"]) from None
    except MissingLibrary as error:
        raise ConfigError([f"{key}.type: {error}"]) from None
    for caution in found.cautions:
        warn(f"{key}.connection: {caution}")
    pool: ThreadedPool[Any] = ThreadedPool(key, found, reactor)
    return SqlDatabase(pool, found), pool


def _offering(config: Sql, store: SqlStore, lists: bool) -> Store:
    """The store, with the features that are switched on."""
    identity = store if config.offers(config.identity) else None
    return Store(
        store.name,
        source=identity,
        profiles=store if config.offers(config.profile) else None,
        directory=store if config.offers(config.directory) else None,
        listing=identity if lists else None,
    )


def _tell_of_parts(key: str, queries: Queries, warn: Warn) -> None:
    for name, query in (("name", queries.by_name), ("threepid", queries.by_threepid)):
        if query and query.finds_parts:
            warn(f"{key}.directory.query.{name}: LIKE ? finds parts of names and addresses")


def _queries(
    key: str, config: Sql, database: SqlDatabase, make: Callable[[str, Dialect, str | None], Search]
) -> Queries:
    problems: list[str] = []

    def query(path: str, text: str | None, *parameters: int) -> Query | None:
        """``parameters``: how many values there may be; any number but none, if not given."""
        if not text:
            return None
        made = database.query(text)
        if parameters and made.parameters not in parameters:
            expected = " or ".join(map(str, parameters))
            problems.append(f"{key}.{path}: expected {expected} placeholders (?), found {made.parameters}")
        if not parameters and not made.parameters:
            problems.append(f"{key}.{path}: expected a placeholder (?), found none")
        return made

    def typed(path: str, type_: str | None, text: str | None) -> Typed | None:
        made = query(path, text)
        return Typed(made, type_) if made else None

    def searching(name: str, given: TypedQuery) -> Search | None:
        made = query(f"directory.query.{name}.value", given.value)
        return make(made.text, database.dialect, given.type) if made else None

    identity, profile = config.identity, config.profile
    by_medium = {medium: query(f"identity.medium.{medium}", text, 1, 2) for medium, text in identity.medium.items()}
    queries = Queries(
        identity=query("identity.query", identity.query, 1, 2),
        identity_by_medium={medium: made for medium, made in by_medium.items() if made},
        identity_type=identity.type,
        bulk=query("identity.bulkQuery", identity.bulk_query, 2),
        by_name=searching("name", config.directory.query.name),
        by_threepid=searching("threepid", config.directory.query.threepid),
        display_name=query("profile.displayName.query", profile.display_name.query),
        threepids=query("profile.threepid.query", profile.threepid.query),
        roles=typed("profile.role.query", profile.role.type, profile.role.query),
        listing=query("lookup.query", config.lookup.query, 0),
    )
    if problems:
        raise ConfigError(problems)
    return queries
