"""The tables of an older server, in SQLite or in PostgreSQL.  They are opened read-only."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from ..databases.location import BadLocation
from ..library import MissingLibrary
from ..masking import masked
from ..stores.sql.drivers import driver

Row: TypeAlias = Mapping[str, Any]

STEP = 500


class NotReadable(Exception):
    """The database cannot be read; the message says which and why."""


class Tables(Protocol):
    """Reads tables whole, row by row."""

    name: str
    """For people: the path, or the URL without its password."""

    def has(self, table: str) -> bool: ...

    def rows(self, table: str) -> Iterator[Row]:
        """The rows, by the names of their columns; none if there is no such table."""
        ...

    def close(self) -> None: ...


class SQLiteTables:
    """A file.  Raises :class:`NotReadable`, as its methods do."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        # Without a log beside it, it is read as it lies: SQLite would make one, in a folder that is not ours.  What was
        # not written to its end has to be undone by the old server: SQLite says so.
        logged = os.path.lexists(f"{path}-wal") or os.path.lexists(f"{path}-journal")
        uri = f"{path.absolute().as_uri()}?mode=ro{'' if logged else '&immutable=1'}"
        try:
            self._connection = sqlite3.connect(uri, uri=True)
            self._names = {name for (name,) in self._connection.execute("SELECT name FROM sqlite_master")}
        except sqlite3.Error as error:
            raise NotReadable(f"{path} cannot be read: {error}") from None
        self._connection.row_factory = sqlite3.Row
        self._connection.text_factory = lambda text: text.decode("utf-8", "replace")

    def has(self, table: str) -> bool:
        return table in self._names

    def rows(self, table: str) -> Iterator[Row]:
        if not self.has(table):
            return
        try:
            for row in self._connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608  # names of ours
                yield dict(row)
        except sqlite3.Error as error:
            raise NotReadable(f"the table {table} of {self.name} cannot be read: {error}") from None

    def close(self) -> None:
        self._connection.close()


class PostgreSQLTables:
    """A database by its URL, JDBC's or libpq's.  Raises :class:`NotReadable`, as its methods do."""

    def __init__(self, url: str) -> None:
        self.name = masked(url)
        try:
            self._driver = driver("postgresql", url)
            self._connection = self._driver.connect()
            self._connection.read_only = True
        except BadLocation as error:
            raise NotReadable(f"{self.name} is no database: {error}") from None
        except MissingLibrary as error:
            raise NotReadable(str(error)) from None
        except Exception as error:  # those of the library are not known here
            raise NotReadable(f"{self.name} cannot be read: {error}") from None

    def has(self, table: str) -> bool:
        found = self._connection.execute("SELECT to_regclass(quote_ident(%s))", (table,)).fetchone()
        return found[0] is not None

    def rows(self, table: str) -> Iterator[Row]:
        if not self.has(table):
            return
        try:
            with self._driver.cursor_for_many(self._connection) as cursor:
                cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608  # names of ours
                names = [column.name for column in cursor.description]
                while rows := cursor.fetchmany(STEP):
                    yield from (dict(zip(names, row, strict=True)) for row in rows)
        except Exception as error:  # those of the library are not known here
            raise NotReadable(f"the table {table} of {self.name} cannot be read: {error}") from None

    def close(self) -> None:
        self._driver.close(self._connection)
