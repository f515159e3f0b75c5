"""Where a database is: the text of ``connection``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import unquote, unquote_plus

from msgspec import Struct

_HOST = r"(?: \[[0-9A-Fa-f:.]+\] | [^:/?@,\[\]]* ) (?: :[0-9]{1,5} )?"
_LOCATION = re.compile(
    rf"""(?: (?:jdbc:)? (?P<scheme>[a-z]+) (?: : (?P<kind>[a-z]+) )? : )?
        // (?: (?P<user>[^:@/?]*) (?: : (?P<password>[^@/?]*) )? @ )?
        (?P<hosts> {_HOST} (?: , {_HOST} )* )
        / (?P<database>[^/?]+) (?: \? (?P<options>.*) )?""",
    re.VERBOSE,
)
_SCHEMES = {"postgresql": "postgresql", "postgres": "postgresql", "mysql": "mysql", "mariadb": "mysql"}
# MariaDB's words for hosts that are tried in order.
_KINDS = {None, "sequential", "failover"}


class BadLocation(ValueError):
    """A text that does not say where a database is.  The message does not repeat it: there is a password in it."""


class Location(Struct, frozen=True):
    """The names of ``options`` are in lower case."""

    hosts: Sequence[tuple[str, int | None]]
    """Names or addresses, each with a port or ``None``; one of them at least."""
    database: str
    user: str | None
    password: str | None
    options: Mapping[str, str]
    password_as_form: str | None = None
    """As PostgreSQL's JDBC driver reads it, if that is something else: it takes ``+`` for a blank."""


def parse(text: str, dialect: str) -> Location:
    """
    Read ``//host[:port]/database?user=…&password=…`` or ``scheme://user:password@host[:port]/database``.

    ``jdbc:`` may stand before either, and further hosts after a comma each.  Values may be percent-encoded, and have to
    be if they contain ``&``, or before an ``@``; ``+`` is itself.  Raises :class:`BadLocation`.
    """
    match = _LOCATION.fullmatch(text)
    if match is None:
        raise BadLocation("expected //host[:port]/database?user=…&password=…")
    scheme = match["scheme"]
    if scheme and _SCHEMES.get(scheme) != dialect:
        raise BadLocation(f"expected a database of the type {dialect}, found {scheme}")
    if match["kind"] not in _KINDS:
        raise BadLocation(f"{scheme}:{match['kind']} has no meaning here: hosts are tried in their order")
    options = dict(_option(part) for part in (match["options"] or "").split("&") if part)
    user, of_url, of_options = options.pop("user", match["user"]), match["password"], options.pop("password", None)
    password = of_url if of_options is None else of_options
    return Location(
        hosts=[_host(part) for part in match["hosts"].split(",")],
        database=unquote(match["database"]),
        user=user and unquote(user),
        password=password and unquote(password),
        options={name: unquote(value) for name, value in options.items()},
        password_as_form=unquote_plus(of_options) if of_options and "+" in of_options else None,
    )


def _host(text: str) -> tuple[str, int | None]:
    # An address in brackets has colons of its own.
    address, bracket, port = text.rpartition("]")
    host, _, port = (address.lstrip("["), "", port.lstrip(":")) if bracket else text.partition(":")
    return host or "localhost", int(port) if port else None


def _option(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name.lower(), value
