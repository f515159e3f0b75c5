"""
Convert rows to records and back: a table has a column of the same name for each field of its record.

An address is two columns, by which it is looked up.
"""

from __future__ import annotations

import sqlite3
from typing import Any, TypeVar

import msgspec

from ...matrix.threepid import ThreePid

Record = TypeVar("Record", bound=msgspec.Struct)

# The fields of records that are not a single value.
_ADDRESS = "threepid"
_JSON_FIELDS = ("fields", "signed_by")
# The one field that is true or false, for which SQLite has numbers.
_FLAG = "proven"


def read(record: type[Record], row: sqlite3.Row) -> Record:
    """Make a record of a row."""
    values = {name: row[name] for name in record.__struct_fields__ if name != _ADDRESS}
    if _ADDRESS in record.__struct_fields__:
        values[_ADDRESS] = ThreePid(row["medium"], row["address"])
    for name in _JSON_FIELDS:
        if name in values:
            values[name] = msgspec.json.decode(values[name])
    if _FLAG in values:
        values[_FLAG] = bool(values[_FLAG])
    return record(**values)


def parameters(record: msgspec.Struct) -> dict[str, Any]:
    """The fields of a record as the named parameters of a statement."""
    values = msgspec.structs.asdict(record)
    if _ADDRESS in values:
        values["medium"], values["address"] = values.pop(_ADDRESS)
    for name in _JSON_FIELDS:
        if name in values:
            values[name] = msgspec.json.encode(values[name]).decode()
    return values
