"""
Convert rows to records and back, for engines that have tables: with a column of the same name for each field.

An address is two columns, by which it is looked up; a field that is no single value is JSON.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import msgspec

from ..matrix.threepid import ThreePid

Record = TypeVar("Record", bound=msgspec.Struct)

_ADDRESS = "threepid"
_JSON_FIELDS = ("fields", "signed_by")
# The one field that is true or false, for which SQLite has numbers.
_FLAG = "proven"


class Row(Protocol):
    """A row, whatever an engine makes of it: its values by column."""

    def __getitem__(self, column: str, /) -> Any: ...


def read(record: type[Record], row: Row, prefix: str = "") -> Record:
    """Make a record of a row, in which the names of columns have a prefix."""
    values = {name: row[prefix + name] for name in record.__struct_fields__ if name != _ADDRESS}
    if _ADDRESS in record.__struct_fields__:
        values[_ADDRESS] = ThreePid(row[f"{prefix}medium"], row[f"{prefix}address"])
    for name in _JSON_FIELDS:
        if name in values:
            values[name] = msgspec.json.decode(values[name])
    if _FLAG in values:
        values[_FLAG] = bool(values[_FLAG])
    return record(**values)


def values_of(record: msgspec.Struct) -> dict[str, Any]:
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
