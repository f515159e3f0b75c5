"""PostgreSQL, directly or behind a pooler such as PgBouncer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from ...log import Logger
from ..library import library
from .location import BadLocation, Location
from .options import CONNECT_TIMEOUT, QUERY_TIMEOUT, ConnectionOptions
from .query import Dialect

log = Logger()

_TLS_MODES = {mode: mode for mode in ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")}
_NEEDS = {mode: mode for mode in ("disable", "prefer", "require")}
_ROLES = {
    "any": "any",
    # libpq knows no preference for a primary.
    "preferprimary": "any",
    **dict.fromkeys(("primary", "master"), "primary"),
    **dict.fromkeys(("secondary", "slave"), "standby"),
    **dict.fromkeys(("prefersecondary", "preferslave"), "prefer-standby"),
}
# What libpq understands by itself, under the name of the JDBC driver's as well.
_LIBPQ = {
    "host": "host",
    "hostaddr": "hostaddr",
    "sslcert": "sslcert",
    "sslkey": "sslkey",
    "sslpassword": "sslpassword",
    "sslcrl": "sslcrl",
    "sslcrldir": "sslcrldir",
    "sslsni": "sslsni",
    "sslNegotiation": "sslnegotiation",
    "ssl_min_protocol_version": "ssl_min_protocol_version",
    "ssl_max_protocol_version": "ssl_max_protocol_version",
    "ApplicationName": "application_name",
    "application_name": "application_name",
    "kerberosServerName": "krbsrvname",
    "krbsrvname": "krbsrvname",
    "requireAuth": "require_auth",
    "require_auth": "require_auth",
    "requirepeer": "requirepeer",
    "passfile": "passfile",
    "target_session_attrs": "target_session_attrs",
    "load_balance_hosts": "load_balance_hosts",
}
_JAVA = "a class of Java's has no meaning here"
_REFUSED = {
    "sslhostnameverifier": f"{_JAVA}; there is sslMode",
    "sslpasswordcallback": f"{_JAVA}; there is sslpassword",
    "socketFactory": f"{_JAVA}; a socket's directory is written host=/directory",
    "authenticationPluginClassName": f"{_JAVA}; the password is written password=…",
    "replication": "queries need an ordinary connection",
    "service": "write what it stands for into the connection",
    **dict.fromkeys(("PGHOST", "PGPORT", "PGDBNAME"), "write it as //host:port/database"),
}
_SCHEMAS = re.compile(r'\s*(?:"(?:[^"]|"")+"|[^\s,"]+)\s*(?:,\s*(?:"(?:[^"]|"")+"|[^\s,"]+)\s*)*')
_SETTING = re.compile(r"(?:-c\s*|--)(?P<name>[\w.-]+)=(?P<value>(?:\\.|[^\s\\])*)(?:\s+|$)", re.DOTALL)
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
        options.refuse(_REFUSED)
        self.cautions: list[str] = []
        self._settings = {"statement_timeout": f"{QUERY_TIMEOUT}s", **_settings(options), _MARK: "yes"}
        # A value without a type is not enough for functions that take several, but it is compared with anything.
        untyped = options.choice("stringtype", {"unspecified": True, "varchar": False})
        strings = import_module("psycopg.types.string")
        self._text = strings.StrDumperUnknown if untyped else strings.StrDumperVarchar
        self._passwords = dict.fromkeys((location.password, location.password_as_form or location.password))
        self._arguments: dict[str, Any] = {
            "host": ",".join(host for host, _ in location.hosts),
            "port": ",".join(str(port or "") for _, port in location.hosts),
            "dbname": location.database,
            "user": location.user,
            "application_name": "mxisd",
            "client_encoding": "UTF8",
            "connect_timeout": min(options.number("connectTimeout") or CONNECT_TIMEOUT, CONNECT_TIMEOUT),
            **self._tls(options),
            **_preparing(options),
            **_servers(options),
            **{theirs: given for name, theirs in _LIBPQ.items() if (given := options.take(name)) is not None},
        }
        self.cautions += options.without_effect()

    def _tls(self, options: ConnectionOptions) -> dict[str, str]:
        mode = options.choice("sslMode", _TLS_MODES)
        if mode is None and options.flag("ssl"):
            mode = "verify-full"
        options.take("ssl")
        authorities = options.take("sslrootcert")
        factory = (options.take("sslfactory") or "").rpartition(".")[2]
        argument = options.take("sslfactoryarg") or ""
        if factory == "NonValidatingFactory":
            self.cautions.append("sslfactory: the certificate of the database is not verified")
            mode = "require" if mode in {None, "verify-ca", "verify-full"} else mode
        elif factory == "DefaultJavaSSLFactory":
            mode, authorities = "verify-full", authorities or "system"
        elif factory == "SingleCertValidatingFactory" and argument.startswith("file:"):
            mode, authorities = mode or "verify-full", re.sub("^file:(//)?", "", argument)
        elif factory not in {"", "LibPQFactory"}:
            raise BadLocation(f"sslfactory: {_JAVA}; there are sslMode and sslrootcert")
        if mode == "verify-full":
            authorities = authorities or "system"
        given = {"sslmode": mode, "sslrootcert": authorities}
        return {name: value for name, value in given.items() if value is not None}

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


def _settings(options: ConnectionOptions) -> dict[str, str]:
    """The settings of the server's that are asked for."""
    settings = {}
    text = (options.take("options") or "").strip()
    while text:
        match = _SETTING.match(text)
        if match is None:
            raise BadLocation("options: expected settings of the form -c name=value")
        settings[match["name"].replace("-", "_")] = re.sub(r"\\(.)", r"\1", match["value"])
        text = text[match.end() :]
    schemas = options.take("currentSchema", "search_path")
    if schemas is not None:
        if not _SCHEMAS.fullmatch(schemas):
            raise BadLocation("currentSchema: expected the names of schemas, with commas in between")
        settings["search_path"] = schemas
    return settings


def _start_up(settings: Mapping[str, str]) -> str:
    escaped = {name: re.sub(r"[\\\s]", r"\\\g<0>", value) for name, value in settings.items()}
    return " ".join(f"-c {name}={value}" for name, value in escaped.items())


def _preparing(options: ConnectionOptions) -> dict[str, None]:
    """Whether statements are prepared, which some poolers cannot stand."""
    extended = ("extended", "extendedforprepared", "extendedcacheeverything")
    simple = options.choice("preferQueryMode", {"simple": True, **dict.fromkeys(extended, False)})
    never = options.number("prepareThreshold") == 0
    kept_none = options.number("preparedStatementCacheQueries") == 0
    return {"prepare_threshold": None} if simple or never or kept_none else {}


def _servers(options: ConnectionOptions) -> dict[str, str]:
    """Which of several servers is asked, and what has to be agreed with it."""
    choices = {
        "target_session_attrs": options.choice("targetServerType", _ROLES),
        "load_balance_hosts": options.choice("loadBalanceHosts", {"true": "random", "": "random", "false": None}),
        "channel_binding": options.choice("channelBinding", _NEEDS) or options.choice("channel_binding", _NEEDS),
        "gssencmode": options.choice("gssEncMode", {**_NEEDS, "allow": "prefer"}),
    }
    return {name: value for name, value in choices.items() if value is not None}
