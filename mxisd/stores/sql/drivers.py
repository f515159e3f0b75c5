"""The kinds of databases.  Client libraries are imported when they are needed: all but SQLite's are optional."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, Protocol

from ...databases.location import parse
from ..pool import ThreadConnector
from .mysql import MySQL
from .postgresql import PostgreSQL
from .query import CONNECT_TIMEOUT, Dialect


class Driver(ThreadConnector[Any], Protocol):
    """How to connect to one database; connections are those of DB-API 2.0 (PEP 249)."""

    dialect: Dialect

    @property
    def cautions(self) -> Sequence[str]:
        """What the administrator should know of the options of the connection."""
        ...

    def answered(self, error: Exception) -> str | None:
        """The code of an error by which the database has answered one query, and could answer another."""
        ...

    def cursor(self, connection: Any) -> AbstractContextManager[Any]:
        """A cursor to ask with, once or several times."""
        ...

    def cursor_for_many(self, connection: Any) -> AbstractContextManager[Any]:
        """A cursor that does not hold all rows in memory."""
        ...


def driver(kind: str, connection: str) -> Driver:
    """
    How to connect to a database of a kind: ``sqlite``, ``postgresql``, ``mariadb`` or ``mysql``.

    Raises :class:`~mxisd.library.MissingLibrary`, and for a connection that cannot be
    :class:`~mxisd.databases.location.BadLocation`.
    """
    if kind == "sqlite":
        return SQLite(connection)
    if kind == "postgresql":
        return PostgreSQL(parse(connection, "postgresql"))
    return MySQL(parse(connection, "mysql"))


class SQLite:
    """A file, which is only read."""

    dialect: Dialect = "sqlite"
    cautions = ()

    def __init__(self, path: str) -> None:
        for prefix in ("jdbc:", "sqlite:"):
            path = path.removeprefix(prefix)
        # Does not make the file if there is none.
        self._uri = f"{Path(path).absolute().as_uri()}?mode=ro"

    def connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._uri, uri=True, timeout=CONNECT_TIMEOUT, check_same_thread=False)

    def is_lost(self, connection: Any, error: Exception) -> bool:
        return False

    def answered(self, error: Exception) -> str | None:
        # The rest is about locks, the file and the disk.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if not isinstance(error, sqlite3.Error):
            return None
        known = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE}
        return getattr(error, "sqlite_errorname", "SQLITE_ERROR") if code in known else None

    def close(self, connection: Any) -> None:
        connection.close()

    def cursor(self, connection: Any) -> AbstractContextManager[Any]:
        return closing(connection.cursor())

    def cursor_for_many(self, connection: Any) -> AbstractContextManager[Any]:
        return closing(connection.cursor())
