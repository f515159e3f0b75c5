"""Queries as administrators write them, with ``?`` for values."""

from __future__ import annotations

import re
from typing import Literal

Dialect = Literal["sqlite", "postgresql", "mysql"]

# Seconds.  Nobody waits longer for a lookup.
CONNECT_TIMEOUT = 5
QUERY_TIMEOUT = 10

# What a question mark may stand in without being a placeholder.  MySQL knows backslashes in its strings.
_QUOTED = r"""
      {string} | "(?:[^"]|"")*" | `[^`]*`
    | --[^\n]* | /\*.*?\*/ | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$
"""
_STANDARD_STRING = r"'(?:[^']|'')*'"
_MYSQL_STRING = r"'(?:[^'\\]|''|\\.)*'"


def _pattern(string: str) -> re.Pattern[str]:
    return re.compile(rf"(?P<quoted>{_QUOTED.format(string=string)}) | (?P<mark>\?\??)", re.VERBOSE | re.DOTALL)


_PATTERNS = {
    "sqlite": _pattern(_STANDARD_STRING),
    "postgresql": _pattern(_STANDARD_STRING),
    "mysql": _pattern(_MYSQL_STRING),
}


class Query:
    """
    A query in the form that a client library expects.

    ``??`` is a question mark that is none of ours: an operator of PostgreSQL's.
    """

    def __init__(self, text: str, dialect: Dialect) -> None:
        self.text = text
        self._placeholder = "?" if dialect == "sqlite" else "%s"
        self._parts = _split(text, dialect)
        if dialect != "sqlite":
            self._parts = [part.replace("%", "%%") for part in self._parts]
        self.sql = self._placeholder.join(self._parts)

    @property
    def parameters(self) -> int:
        """How many values there are to be bound."""
        return len(self._parts) - 1

    @property
    def exact(self) -> str:
        """The query for MySQL with values that are compared letter by letter, whatever the collation of a column."""
        return "(%s COLLATE utf8mb4_bin)".join(self._parts)

    def spread(self, count: int) -> str:
        """The query with its last placeholder repeated, for the list in ``IN (?)``."""
        *parts, last = self._parts
        return self._placeholder.join(parts) + ", ".join([self._placeholder] * count) + last


def skeleton(text: str, dialect: Dialect) -> str:
    """
    A query of the same length without what is no SQL: comments are blanks, strings and quoted names all ``'``.

    Each ``?`` in it is a placeholder.
    """

    def blank(match: re.Match[str]) -> str:
        found = match[0]
        if match["mark"]:
            return found if found == "?" else "@@"
        return (" " if found.startswith(("--", "/*")) else "'") * len(found)

    return _PATTERNS[dialect].sub(blank, text)


def _split(text: str, dialect: Dialect) -> list[str]:
    parts = [""]
    end = 0
    for match in _PATTERNS[dialect].finditer(text):
        parts[-1] += text[end : match.start()]
        end = match.end()
        if match["mark"] == "?":
            parts.append("")
        elif match["mark"]:
            parts[-1] += "?"
        else:
            parts[-1] += match[0]
    parts[-1] += text[end:]
    return parts
