"""The client libraries, imported when they are needed: all but SQLite's are optional."""

from __future__ import annotations

import sqlite3
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from ...log import Logger
from ..library import library
from ..pool import ThreadConnector
from .location import BadLocation, Location, parse
from .query import Dialect

log = Logger()

# Seconds.  Nobody waits longer for a lookup.
CONNECT_TIMEOUT = 5
QUERY_TIMEOUT = 10


class Driver(ThreadConnector[Any], Protocol):
    """How to connect to one database; connections are those of DB-API 2.0 (PEP 249)."""

    dialect: Dialect

    def cursor_for_many(self, connection: Any) -> AbstractContextManager[Any]:
        """A cursor that does not hold all rows in memory."""
        ...


def driver(kind: str, connection: str) -> Driver:
    """
    How to connect to a database of a kind: ``sqlite``, ``postgresql``, ``mariadb`` or ``mysql``.

    Raises :class:`~mxisd.stores.library.MissingLibrary`, and :class:`BadLocation` for a connection that cannot be.
    """
    if kind == "sqlite":
        return SQLite(connection)
    if kind == "postgresql":
        return PostgreSQL(parse(connection, "postgresql"))
    return MySQL(parse(connection, "mysql"))


class SQLite:
    """A file, which is only read."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: str) -> None:
        for prefix in ("jdbc:", "sqlite:"):
            path = path.removeprefix(prefix)
        # Does not make the file if there is none.
        self._uri = f"{Path(path).absolute().as_uri()}?mode=ro"

    def connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._uri, uri=True, timeout=CONNECT_TIMEOUT, check_same_thread=False)

    def is_lost(self, connection: Any, error: Exception) -> bool:
        return False

    def close(self, connection: Any) -> None:
        connection.close()

    def cursor_for_many(self, connection: Any) -> AbstractContextManager[Any]:
        return closing(connection.cursor())


class PostgreSQL:
    """Options are those of libpq, and of the JDBC driver where both mean the same."""

    dialect: Dialect = "postgresql"

    def __init__(self, location: Location) -> None:
        self._psycopg = library("psycopg", "postgresql")
        # As the JDBC driver does: a value without a type is not enough for functions that take several.
        self._text = import_module("psycopg.types.string").StrDumperVarchar
        self._arguments: dict[str, Any] = {
            "host": location.host,
            "port": location.port,
            "dbname": location.database,
            "user": location.user,
            "password": location.password,
            "connect_timeout": CONNECT_TIMEOUT,
            "application_name": "mxisd",
            "client_encoding": "UTF8",
            "options": f"-c statement_timeout={QUERY_TIMEOUT}s",
            **_understood(location.options, self._option),
        }

    @staticmethod
    def _option(name: str, value: str) -> dict[str, Any] | None:
        if name in {"host", "sslmode", "sslrootcert", "sslcert", "sslkey"}:
            return {name: value}
        if name == "ssl":
            return {"sslmode": "verify-full", "sslrootcert": "system"} if value in {"", "true"} else {}
        if name == "preparethreshold":
            return {"prepare_threshold": int(value) or None}
        return None

    def connect(self) -> Any:
        connection = self._psycopg.connect(**self._arguments, autocommit=True)
        connection.adapters.register_dumper(str, self._text)
        return connection

    def is_lost(self, connection: Any, error: Exception) -> bool:
        return bool(connection.closed)

    def close(self, connection: Any) -> None:
        connection.close()

    @contextmanager
    def cursor_for_many(self, connection: Any) -> Iterator[Any]:
        # A cursor of the server's, which lives in a transaction.
        with connection.transaction(), connection.cursor(name="mxisd") as cursor:
            yield cursor


class MySQL:
    """MySQL or MariaDB.  Once TLS is asked for, by whichever of the JDBC drivers' options, it is verified in full."""

    dialect: Dialect = "mysql"

    def __init__(self, location: Location) -> None:
        self._pymysql = library("pymysql", "mysql")
        self._many = import_module("pymysql.cursors").SSCursor
        self._arguments: dict[str, Any] = {
            "host": location.host,
            "port": location.port or 3306,
            "database": location.database,
            "user": location.user,
            "password": location.password or "",
            "charset": "utf8mb4",
            "connect_timeout": CONNECT_TIMEOUT,
            "read_timeout": QUERY_TIMEOUT,
            "write_timeout": QUERY_TIMEOUT,
            **_understood(location.options, self._option),
        }
        authority = self._arguments.pop("authority", None)
        if self._arguments.pop("tls", authority is not None):
            try:
                self._arguments["ssl"] = ssl.create_default_context(cafile=authority)
            except OSError:
                raise BadLocation(f"serversslcert: {authority} holds no certificates, or cannot be read") from None

    @staticmethod
    def _option(name: str, value: str) -> dict[str, Any] | None:
        if name in {"unixsocket", "localsocket"}:
            return {"unix_socket": value}
        if name in {"usessl", "requiressl"}:
            return {"tls": value == "true"}
        if name == "sslmode":
            return {"tls": value.lower() not in {"disable", "disabled", "preferred"}}
        if name == "serversslcert":
            return {"authority": value}
        return None

    def connect(self) -> Any:
        return self._pymysql.connect(**self._arguments, autocommit=True)

    def is_lost(self, connection: Any, error: Exception) -> bool:
        return not connection.open

    def close(self, connection: Any) -> None:
        if connection.open:
            connection.close()

    def cursor_for_many(self, connection: Any) -> AbstractContextManager[Any]:
        return closing(connection.cursor(self._many))


def _understood(options: Mapping[str, str], read: Callable[[str, str], dict[str, Any] | None]) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for name, value in options.items():
        try:
            read_as = read(name, value)
        except ValueError:
            raise BadLocation(f"{name}: {value!r} is not a value that it can have") from None
        if read_as is None:
            log.warn("the option {option} of a database connection has no meaning here", option=name)
        else:
            arguments |= read_as
    return arguments
