"""The columns of records, as they stand in statements."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_type_hints

import msgspec

from ..rows import columns

_TYPES = {int: "bigint", int | None: "bigint", bool: "boolean"}


def placeholders(record: type[msgspec.Struct]) -> str:
    """The values of a record as they stand in a statement that cannot tell their types."""
    types = {name: _TYPES.get(hint, "text") for name, hint in get_type_hints(record).items()}
    return ", ".join(f":{name}::{types.get(name, 'text')}" for name in columns(record))


def listed(names: Iterable[str], form: str = "{}") -> str:
    """Names as they stand in a statement, each in a form of its own."""
    return ", ".join(form.format(name) for name in names)
