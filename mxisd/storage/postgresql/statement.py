"""Statements: their values have names, ``:address``, for which PostgreSQL wants numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import count
from typing import NamedTuple

from .values import Value, written

# No cast, ``::text``.
_NAME = re.compile(r"(?<![:\w]):([a-z_]+)")
_serial = count(1)


class Statement(NamedTuple):
    """A statement as it goes over the wire."""

    text: bytes
    prepared: bytes
    """What it is called once it is prepared."""
    values: Sequence[bytes | None]
    formats: Sequence[int]


def statement(sql: str, **values: Value) -> Statement:
    """A statement with its values.  Raises :class:`UnicodeEncodeError` for a text that is none."""
    text, names, prepared = _numbered(sql)
    data = [written(values[name]) for name in names]
    return Statement(text, prepared, [value for value, _ in data], [format_ for _, format_ in data])


def lock(*names: str) -> Statement:
    """
    Let one transaction at a time do something about what has these names; it is the first statement of a step.

    What follows it sees all that the others before have done: each statement sees what was committed when it began.
    """
    return statement("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))", name=" ".join(names))


@cache
def _numbered(sql: str) -> tuple[bytes, tuple[str, ...], bytes]:
    names = tuple(dict.fromkeys(_NAME.findall(sql)))
    text = _NAME.sub(lambda match: f"${names.index(match[1]) + 1}", sql)
    return text.encode(), names, f"mxisd_{next(_serial)}".encode()
