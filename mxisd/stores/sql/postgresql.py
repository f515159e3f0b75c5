"""PostgreSQL, directly or behind a pooler such as PgBouncer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from ...databases.location import Location
from ...databases.options import ConnectionOptions
from ...databases.postgresql import postgresql_server
from ...library import library
from ...log import Logger
from .query import CONNECT_TIMEOUT, QUERY_TIMEOUT, Dialect

log = Logger()

# Classes of SQLSTATE: no connection, conflicts with others, resources, locks, an operator or a time limit, the system.
_UNABLE = {"08", "28", "40", "53", "54", "55", "57", "58", "F0", "XX"}
# With this setting a session shows that it got ours, and is nobody else's.
_MARK = "mxisd.own"
_REFUSED_AT_START_UP = re.compile("startup parameter|options")


class PostgreSQL:
    """Options are those of the JDBC driver, and of libpq."""

    dialect: Dialect = "postgresql"

    def __init__(self, location: Location) -> None:
        self._psycopg = library("psycopg", "postgresql")
        options = ConnectionOptions(location.options)
        # A value without a type is not enough for functions that take several, but it is compared with anything.
        untyped = options.choice("stringtype", {"unspecified": True, "varchar": False})
        strings = import_module("psycopg.types.string")
        self._text = strings.StrDumperUnknown if untyped else strings.StrDumperVarchar
        timeout = min(options.number("connectTimeout") or CONNECT_TIMEOUT, CONNECT_TIMEOUT)
        server = postgresql_server(location, options)
        self.cautions = server.cautions
        self._settings = {"statement_timeout": f"{QUERY_TIMEOUT}s", **server.settings, _MARK: "yes"}
        self._passwords = server.passwords
        self._arguments: dict[str, Any] = {
            **server.arguments,
            "host": ",".join(host for host, _ in server.hosts),
            "port": ",".join(str(port or "") for _, port in server.hosts),
            "connect_timeout": timeout,
            **({} if server.prepares else {"prepare_threshold": None}),
        }

    def connect(self) -> Any:
        failure: Exception | None = None
        for password in self._passwords:
            try:
                connection = self._own_session(password) or self._session(password, prepare_threshold=None)
            except self._psycopg.OperationalError as error:
                failure = failure or error
            else:
                connection.adapters.register_dumper(str, self._text)
                return connection
        raise failure or AssertionError

    def _own_session(self, password: str | None) -> Any:
        """A session with our settings; ``None`` where a pooler takes none, or passes over them."""
        try:
            connection = self._session(password, options=_start_up(self._settings))
        except self._psycopg.OperationalError as error:
            if not _REFUSED_AT_START_UP.search(str(error)):
                raise
            return None
        if connection.execute(f"SELECT current_setting('{_MARK}', true)").fetchone() == ("yes",):
            return connection
        connection.close()
        return None

    def _session(self, password: str | None, **more: Any) -> Any:
        return self._psycopg.connect(**{**self._arguments, **more}, password=password, autocommit=True)

    def is_lost(self, connection: Any, error: Exception) -> bool:
        return bool(connection.closed)

    def answered(self, error: Exception) -> str | None:
        state = getattr(error, "sqlstate", None)
        return state if state and state[:2] not in _UNABLE else None

    def close(self, connection: Any) -> None:
        connection.close()

    @contextmanager
    def cursor(self, connection: Any) -> Iterator[Any]:
        if connection.info.options:
            with connection.cursor() as cursor:
                yield cursor
        else:
            with self._transaction(connection), connection.cursor() as cursor:
                yield cursor

    @contextmanager
    def cursor_for_many(self, connection: Any) -> Iterator[Any]:
        # A cursor of the server's, which lives in a transaction.
        with self._transaction(connection), connection.cursor(name="mxisd") as cursor:
            yield cursor

    @contextmanager
    def _transaction(self, connection: Any) -> Iterator[None]:
        """A transaction with our settings, which end with it: behind a pooler the next is somebody else's."""
        with connection.transaction():
            calls = ", ".join(["set_config(%s, %s, true)"] * len(self._settings))
            connection.execute(f"SELECT {calls}", [part for setting in self._settings.items() for part in setting])
            yield


def _start_up(settings: Mapping[str, str]) -> str:
    escaped = {name: re.sub(r"[\\\s]", r"\\\g<0>", value) for name, value in settings.items()}
    return " ".join(f"-c {name}={value}" for name, value in escaped.items())
