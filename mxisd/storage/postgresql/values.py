"""
Values on their way to PostgreSQL and back.

What comes back is in its binary format, which depends on no setting of the server or the user.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

Value: TypeAlias = str | bytes | int | bool | Sequence[str | None] | Sequence[int] | None

TEXT_FORMAT, BINARY_FORMAT = 0, 1

# A text cannot hold U+0000 there: with this in front, it is written as a digit, as is this character itself.
_ESCAPE = "\x1a"
_NUL, _ESCAPED_NUL, _ESCAPED_ESCAPE = "\0", f"{_ESCAPE}0", f"{_ESCAPE}1"


def written(value: Value) -> tuple[bytes | None, int]:
    """A value as a parameter of a statement, and the format that it is in."""
    if value is None:
        return None, TEXT_FORMAT
    if isinstance(value, str):
        # As text it would end at U+0000, and something else would be found.
        return escaped(value).encode(), BINARY_FORMAT
    if isinstance(value, bytes):
        return value, BINARY_FORMAT
    if isinstance(value, int):
        return str(int(value)).encode() if not isinstance(value, bool) else b"ft"[value : value + 1], TEXT_FORMAT
    return f"{{{','.join(map(_element, value))}}}".encode(), TEXT_FORMAT


def _element(value: str | int | None) -> str:
    if not isinstance(value, str):
        return "NULL" if value is None else str(value)
    text = escaped(value)
    if '"' in text or "\\" in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def escaped(text: str) -> str:
    """A text in the form in which it can be kept."""
    if _NUL in text or _ESCAPE in text:
        return text.replace(_ESCAPE, _ESCAPED_ESCAPE).replace(_NUL, _ESCAPED_NUL)
    return text


def _text(data: bytes) -> str:
    text = data.decode()
    return text.replace(_ESCAPED_NUL, _NUL).replace(_ESCAPED_ESCAPE, _ESCAPE) if _ESCAPE in text else text


def _number(data: bytes) -> int:
    return int.from_bytes(data, signed=True)


_READERS: dict[int, Callable[[bytes], Any]] = {
    16: b"\1".__eq__,  # boolean
    20: _number,  # bigint
    23: _number,  # integer
    25: _text,
}


def reader(type_: int) -> Callable[[bytes], Any]:
    """What makes a value of the data of a column, by the number of its type; others than ours stay bytes."""
    return _READERS.get(type_, bytes)
