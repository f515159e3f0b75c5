"""Where a database is: the text of ``connection``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from msgspec import Struct

_LOCATION = re.compile(
    r"""(?: (?:jdbc:)? (?P<scheme>[a-z]+) : )?
        // (?: (?P<user>[^:@/?]*) (?: : (?P<password>[^@/?]*) )? @ )?
        (?P<host> \[[0-9A-Fa-f:.]+\] | [^:/?@]* ) (?: : (?P<port>[0-9]{1,5}) )?
        / (?P<database>[^/?]+) (?: \? (?P<options>.*) )?""",
    re.VERBOSE,
)
_SCHEMES = {"postgresql": "postgresql", "postgres": "postgresql", "mysql": "mysql", "mariadb": "mysql"}


class BadLocation(ValueError):
    """A text that does not say where a database is.  The message does not repeat it: there is a password in it."""


class Location(Struct, frozen=True):
    """The names of ``options`` are in lower case."""

    host: str
    port: int | None
    database: str
    user: str | None
    password: str | None
    options: Mapping[str, str]


def parse(text: str, dialect: str) -> Location:
    """
    Read ``//host[:port]/database?user=…&password=…`` or ``scheme://user:password@host[:port]/database``.

    ``jdbc:`` may stand before either.  Values may be percent-encoded, and have to be if they contain ``&``, or before
    an ``@``; ``+`` is itself.  Raises :class:`BadLocation`.
    """
    match = _LOCATION.fullmatch(text)
    if match is None:
        raise BadLocation("expected //host[:port]/database?user=…&password=…")
    scheme = match["scheme"]
    if scheme and _SCHEMES.get(scheme) != dialect:
        raise BadLocation(f"expected a database of the type {dialect}, found {scheme}")
    options = dict(_option(part) for part in (match["options"] or "").split("&") if part)
    user, password = options.pop("user", match["user"]), options.pop("password", match["password"])
    return Location(
        host=match["host"].strip("[]") or "localhost",
        port=int(match["port"]) if match["port"] else None,
        database=unquote(match["database"]),
        user=user and unquote(user),
        password=password and unquote(password),
        options={name: unquote(value) for name, value in options.items()},
    )


def _option(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name.lower(), value
