"""
Convert rows to records and back: a table has a column of the same name for each field of its record.

An address is two columns, by which it is looked up; a field that is no single value is JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar, get_type_hints

import msgspec

from ...matrix.threepid import ThreePid
from .connection import Row
from .values import Value

Record = TypeVar("Record", bound=msgspec.Struct)

_ADDRESS = "threepid"
_JSON_FIELDS = ("fields", "signed_by")
_TYPES = {int: "bigint", int | None: "bigint", bool: "boolean"}


def read(record: type[Record], row: Row, prefix: str = "") -> Record:
    """Make a record of a row, in which the names of columns have a prefix."""
    values = {name: row[prefix + name] for name in record.__struct_fields__ if name != _ADDRESS}
    if _ADDRESS in record.__struct_fields__:
        values[_ADDRESS] = ThreePid(row[f"{prefix}medium"], row[f"{prefix}address"])
    for name in _JSON_FIELDS:
        if name in values:
            values[name] = msgspec.json.decode(values[name])
    return record(**values)


def values_of(record: msgspec.Struct) -> dict[str, Value]:
    """The fields of a record as the values of a statement, by column."""
    values: dict[str, Any] = msgspec.structs.asdict(record)
    if _ADDRESS in values:
        values["medium"], values["address"] = values.pop(_ADDRESS)
    for name in _JSON_FIELDS:
        if name in values:
            values[name] = msgspec.json.encode(values[name]).decode()
    return values


def columns(record: type[msgspec.Struct]) -> tuple[str, ...]:
    """The columns of a record."""
    fields = record.__struct_fields__
    address = ("medium", "address") if _ADDRESS in fields else ()
    return *address, *(name for name in fields if name != _ADDRESS)


def placeholders(record: type[msgspec.Struct]) -> str:
    """The values of a record as they stand in a statement that cannot tell their types."""
    types = {name: _TYPES.get(hint, "text") for name, hint in get_type_hints(record).items()}
    return ", ".join(f":{name}::{types.get(name, 'text')}" for name in columns(record))


def listed(names: Iterable[str], form: str = "{}") -> str:
    """Names as they stand in a statement, each in a form of its own."""
    return ", ".join(form.format(name) for name in names)
