"""What ``connection`` says about a PostgreSQL: the options are those of the JDBC driver, and of libpq."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from .location import BadLocation, Location
from .options import ConnectionOptions

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


class PostgreSQLServer(Struct, frozen=True, kw_only=True):
    """How to connect."""

    hosts: Sequence[tuple[str, int | None]]
    """Names, addresses or folders of sockets, with their ports: several for what fails over."""
    passwords: Sequence[str | None]
    """To be tried in their order."""
    arguments: Mapping[str, Any]
    """All else that libpq wants to know."""
    settings: Mapping[str, str]
    """What is to be set in a session."""
    prepares: bool
    """Whether statements may be prepared."""
    cautions: Sequence[str]
    """What the administrator should know."""


def postgresql_server(
    location: Location, options: ConnectionOptions, password: str | None = None, ca_file: Path | None = None
) -> PostgreSQLServer:
    """
    Read a location, and those of its options that nobody has taken yet.

    A password, and the authorities that vouch for the server, may be given apart from it.  Raises
    :class:`~mxisd.databases.location.BadLocation`.
    """
    options.refuse(_REFUSED)
    cautions: list[str] = []
    arguments = {
        "dbname": location.database,
        "user": location.user,
        "application_name": "mxisd",
        "client_encoding": "UTF8",
        **_tls(options, cautions),
        **({} if ca_file is None else {"sslmode": "verify-full", "sslrootcert": str(ca_file)}),
        **_servers(options),
        **{theirs: given for name, theirs in _LIBPQ.items() if (given := options.take(name)) is not None},
    }
    host = options.take("host")
    settings, prepares = _settings(options), _prepares(options)
    return PostgreSQLServer(
        hosts=location.hosts if host is None else [(host, location.hosts[0][1])],
        passwords=[password] if password is not None else _passwords(location),
        arguments={name: value for name, value in arguments.items() if value is not None},
        settings=settings,
        prepares=prepares,
        cautions=[*cautions, *options.without_effect()],
    )


def _passwords(location: Location) -> list[str | None]:
    return list(dict.fromkeys((location.password, location.password_as_form or location.password)))


def _tls(options: ConnectionOptions, cautions: list[str]) -> dict[str, str]:
    mode = options.choice("sslMode", _TLS_MODES)
    if mode is None and options.flag("ssl"):
        mode = "verify-full"
    options.take("ssl")
    authorities = options.take("sslrootcert")
    factory = (options.take("sslfactory") or "").rpartition(".")[2]
    argument = options.take("sslfactoryarg") or ""
    if factory == "NonValidatingFactory":
        cautions.append("sslfactory: the certificate of the database is not verified")
        mode = "require" if mode in {None, "verify-ca", "verify-full"} else mode
    elif factory == "DefaultJavaSSLFactory":
        mode, authorities = "verify-full", authorities or "system"
    elif factory == "SingleCertValidatingFactory" and argument.startswith("file:"):
        mode, authorities = mode or "verify-full", re.sub("^file:(//)?", "", argument)
    elif factory not in {"", "LibPQFactory"}:
        raise BadLocation(f"sslfactory: {_JAVA}; there are sslMode and sslrootcert")
    if mode == "verify-full":
        authorities = authorities or "system"
    elif mode == "require" and not cautions and authorities is None:
        cautions.append("sslMode=require: the certificate of the database is not verified; verify-full does that")
    given = {"sslmode": mode, "sslrootcert": authorities}
    return {name: value for name, value in given.items() if value is not None}


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


def _prepares(options: ConnectionOptions) -> bool:
    """Whether statements may be prepared, which some poolers cannot stand."""
    extended = ("extended", "extendedforprepared", "extendedcacheeverything")
    simple = options.choice("preferQueryMode", {"simple": True, **dict.fromkeys(extended, False)})
    never = options.number("prepareThreshold") == 0
    kept_none = options.number("preparedStatementCacheQueries") == 0
    return not (simple or never or kept_none)


def _servers(options: ConnectionOptions) -> dict[str, str]:
    """Which of several servers is asked, and what has to be agreed with it."""
    choices = {
        "target_session_attrs": options.choice("targetServerType", _ROLES),
        "load_balance_hosts": options.choice("loadBalanceHosts", {"true": "random", "": "random", "false": None}),
        "channel_binding": options.choice("channelBinding", _NEEDS) or options.choice("channel_binding", _NEEDS),
        "gssencmode": options.choice("gssEncMode", {**_NEEDS, "allow": "prefer"}),
    }
    return {name: value for name, value in choices.items() if value is not None}
