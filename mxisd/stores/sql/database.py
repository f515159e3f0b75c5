"""A database, seen from the reactor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from ...log import Logger
from ...lookup.source import Unusable
from ...waiting import gather
from ..pool import ThreadedPool
from .drivers import Driver
from .query import Dialect, Query

log = Logger()

_BATCH = 5_000


class QueryFailed(Unusable):
    """The database has answered a query with an error; the message quotes no value."""


class SqlTable(Struct):
    """The rows that a query found."""

    columns: list[str]
    """In lower case."""
    rows: Sequence[Sequence[Any]]

    def column(self, name: str) -> int:
        """Where a column is; the only one there is may have any name.  Raises :class:`QueryFailed`."""
        if len(self.columns) == 1:
            return 0
        try:
            return self.columns.index(name)
        except ValueError:
            raise QueryFailed(f"the query has no column {name}: it has {', '.join(self.columns)}") from None


class SqlDatabase:
    """Runs queries, those that come together at the same time."""

    def __init__(self, pool: ThreadedPool[Any], driver: Driver) -> None:
        self._pool = pool
        self._driver = driver

    @property
    def dialect(self) -> Dialect:
        return self._driver.dialect

    def query(self, text: str) -> Query:
        return Query(text, self.dialect)

    async def find(self, sql: str, values: Sequence[str]) -> SqlTable:
        """What one query finds.  Raises :class:`QueryFailed`, and whatever the client library does."""
        return await self._pool.run(lambda connection: self._ask(connection, sql, values))

    async def find_each(self, sql: str, many: Sequence[Sequence[str]]) -> list[SqlTable | QueryFailed]:
        """What a query finds for each of many values, or how it failed, shared out among all connections."""

        def ask_each(values: Sequence[Sequence[str]]) -> Callable[[Any], list[SqlTable | QueryFailed]]:
            return lambda connection: [self._tried(connection, sql, each) for each in values]

        share = -(-len(many) // self._pool.size)
        results = await gather(
            self._pool.run(ask_each(many[start : start + share])) for start in range(0, len(many), share)
        )
        return [table for tables in results for table in tables]

    def stream(self, sql: str) -> AsyncIterator[SqlTable]:
        """What one query finds, some thousand rows at a time."""

        def batches(connection: Any) -> Iterator[SqlTable]:
            with self._driver.cursor_for_many(connection) as cursor:
                cursor.execute(sql, ())
                while rows := cursor.fetchmany(_BATCH):
                    yield SqlTable(_columns(cursor), rows)

        return self._pool.stream(batches)

    def _ask(self, connection: Any, sql: str, values: Sequence[str]) -> SqlTable:
        try:
            with self._driver.cursor(connection) as cursor:
                cursor.execute(sql, values)
                return SqlTable(_columns(cursor), cursor.fetchall())
        except Exception as error:
            code = None if self._driver.is_lost(connection, error) else self._driver.answered(error)
            if code is None:
                raise
            log.debug("a query has failed: {error}", error=error)
            raise QueryFailed(f"a query has failed: {type(error).__name__} ({code})") from error

    def _tried(self, connection: Any, sql: str, values: Sequence[str]) -> SqlTable | QueryFailed:
        try:
            return self._ask(connection, sql, values)
        except QueryFailed as failed:
            return failed


def _columns(cursor: Any) -> list[str]:
    return [str(description[0]).lower() for description in cursor.description]
