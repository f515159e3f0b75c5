"""MariaDB and MySQL."""

from __future__ import annotations

import re
import ssl
from contextlib import AbstractContextManager, closing
from importlib import import_module
from typing import Any

from ...databases.location import BadLocation, Location
from ...databases.options import ConnectionOptions
from ...library import library
from .query import CONNECT_TIMEOUT, QUERY_TIMEOUT, Dialect

_TLS_MODES = {
    **dict.fromkeys(("disable", "disabled", "preferred"), "none"),
    # More than some of them ask for: who wants TLS gets a server that is the right one.
    **dict.fromkeys(("required", "verify_identity", "verify-full", "true"), "full"),
    **dict.fromkeys(("verify_ca", "verify-ca"), "chain"),
    "trust": "unverified",
}
_JAVA = "a class of Java's has no meaning here"
_STORE = "a key store of Java's cannot be read; there is serverSslCert for a file of certificates"
_REFUSED = {
    "socketFactory": f"{_JAVA}; a socket is written unixSocket=/path",
    **dict.fromkeys(
        ("propertiesTransform", "queryInterceptors", "statementInterceptors", "connectionLifecycleInterceptors"), _JAVA
    ),
    "useConfigs": "write the options themselves",
    "credentialType": "the password is written password=…",
    **dict.fromkeys(("socksProxyHost", "pipe"), "cannot be used to connect"),
    **dict.fromkeys(("trustCertificateKeyStoreUrl", "trustStore"), _STORE),
    **dict.fromkeys(("clientCertificateKeyStoreUrl", "keyStore"), "certificates of clients are not supported"),
}
# Errors of the server's that say nothing about the question: connections, locks, shutting down, limits of time.
_UNABLE = {
    *(1040, 1041, 1042, 1043, 1044, 1045, 1053, 1077, 1079, 1080, 1129, 1130, 1152, 1153, 1154, 1158, 1159, 1160, 1161),
    *(1184, 1203, 1205, 1213, 1226, 1317, 1927, 1969, 3024, 3168, 4031),
}


class MySQL:
    """Options are those of both JDBC drivers.  TLS is verified in full, unless they say plainly that it is not."""

    dialect: Dialect = "mysql"

    def __init__(self, location: Location) -> None:
        self._pymysql = library("pymysql", "mysql")
        self._many = import_module("pymysql.cursors").SSCursor
        self._hosts = location.hosts
        options = ConnectionOptions(location.options)
        options.refuse(_REFUSED)
        self.cautions: list[str] = []
        self._arguments: dict[str, Any] = {
            "database": location.database,
            "user": location.user,
            "password": location.password or "",
            "charset": "utf8mb4",
            "connect_timeout": CONNECT_TIMEOUT,
            "read_timeout": QUERY_TIMEOUT,
            "write_timeout": QUERY_TIMEOUT,
            "unix_socket": options.take("unixSocket", "localSocket"),
            "ssl": self._tls(options),
            "collation": _collation(options),
            "init_command": _first_statement(options),
        }
        self.cautions += options.without_effect()

    def _tls(self, options: ConnectionOptions) -> ssl.SSLContext | None:
        authorities = options.take("serverSslCert")
        mode = options.choice("sslMode", _TLS_MODES)
        wanted = [options.flag("useSSL"), options.flag("requireSSL"), authorities is not None or None]
        if mode is None:
            mode = "full" if True in wanted else "none"
        if options.flag("trustServerCertificate") or options.flag("verifyServerCertificate") is False:
            mode = "unverified" if mode != "none" else mode
        if options.flag("disableSslHostnameVerification") and mode == "full":
            mode = "chain"
        if mode == "none":
            return None
        try:
            context = ssl.create_default_context(cafile=authorities)
        except OSError:
            raise BadLocation(f"serverSslCert: {authorities} holds no certificates, or cannot be read") from None
        if mode != "full":
            self.cautions.append(
                "the certificate of the database is not verified"
                if mode == "unverified"
                else "the certificate of the database may be that of another host"
            )
            context.check_hostname = False
        if mode == "unverified":
            context.verify_mode = ssl.CERT_NONE
        return context

    def connect(self) -> Any:
        failure: Exception | None = None
        for host, port in self._hosts:
            try:
                return self._pymysql.connect(host=host, port=port or 3306, **self._arguments, autocommit=True)
            except self._pymysql.OperationalError as error:
                failure = failure or error
        raise failure or AssertionError

    def is_lost(self, connection: Any, error: Exception) -> bool:
        return not connection.open

    def answered(self, error: Exception) -> str | None:
        number = error.args[0] if isinstance(error, self._pymysql.MySQLError) and error.args else 0
        # From 2000 to 2999 they are the client's own.
        is_answer = isinstance(number, int) and number >= 1000 and number // 1000 != 2 and number not in _UNABLE
        return str(number) if is_answer else None

    def close(self, connection: Any) -> None:
        if connection.open:
            connection.close()

    def cursor(self, connection: Any) -> AbstractContextManager[Any]:
        return closing(connection.cursor())

    def cursor_for_many(self, connection: Any) -> AbstractContextManager[Any]:
        return closing(connection.cursor(self._many))


def _collation(options: ConnectionOptions) -> str | None:
    collation = options.take("connectionCollation")
    if collation is not None and not re.fullmatch(r"utf8mb4_\w+", collation):
        raise BadLocation("connectionCollation: expected one of utf8mb4, which everything is compared in")
    return collation


def _first_statement(options: ConnectionOptions) -> str | None:
    """What has to be said before the first query."""
    settings = [options.take("sessionVariables")]
    rows = options.number("maxRows")
    if rows is not None and rows > 0:
        settings.append(f"sql_select_limit={rows}")
    set_ = ", ".join(_with_commas(setting) for setting in settings if setting)
    return f"SET {set_}" if set_ else None


def _with_commas(settings: str) -> str:
    """Settings with a comma between them where there was a semicolon; quotes are left alone."""
    parts = re.findall(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|.", settings.strip().strip(";"), re.DOTALL)
    return "".join("," if part == ";" else part for part in parts)
