"""Convert rows to records and back: a table has a column of the same name for each field of its record."""

from __future__ import annotations

import sqlite3
from typing import Any, TypeVar

import msgspec

Record = TypeVar("Record", bound=msgspec.Struct)

# The one field of a record that is not a single value.
_JSON_FIELD = "fields"
# The one field that is true or false, for which SQLite has numbers.
_FLAG = "proven"


def read(record: type[Record], row: sqlite3.Row) -> Record:
    """Make a record of a row."""
    values = {name: row[name] for name in record.__struct_fields__}
    if _JSON_FIELD in values:
        values[_JSON_FIELD] = msgspec.json.decode(values[_JSON_FIELD])
    if _FLAG in values:
        values[_FLAG] = bool(values[_FLAG])
    return record(**values)


def parameters(record: msgspec.Struct) -> dict[str, Any]:
    """The fields of a record as the named parameters of a statement."""
    values = msgspec.structs.asdict(record)
    if _JSON_FIELD in values:
        values[_JSON_FIELD] = msgspec.json.encode(values[_JSON_FIELD]).decode()
    return values
