"""
Values on their way to PostgreSQL and back.

What comes back is in its binary format, which depends on no setting of the server or the user.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from msgspec import json

Value: TypeAlias = str | bytes | int | bool | Sequence[str] | Sequence[int] | None

TEXT_FORMAT, BINARY_FORMAT = 0, 1

# A text cannot hold U+0000 there: with this in front, it is written as a digit, as is this character itself.
_ESCAPE = "\x1a"
_NUL, _ESCAPED_NUL, _ESCAPED_ESCAPE = "\0", f"{_ESCAPE}0", f"{_ESCAPE}1"
_PARTICULAR = re.compile(f'["\\\\{_NUL}{_ESCAPE}]')


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
    return _array(value).encode(), TEXT_FORMAT


def _array(values: Sequence[str] | Sequence[int]) -> str:
    if not values or isinstance(values[0], int):
        return f"{{{','.join(map(str, values))}}}"
    texts: Sequence[Any] = values
    # Nearly always there is nothing in them that has to be written otherwise.
    if _PARTICULAR.search("".join(texts)):
        texts = [escaped(text).replace("\\", "\\\\").replace('"', '\\"') for text in texts]
    return '{"' + '","'.join(texts) + '"}'


def escaped(text: str) -> str:
    """A text in the form in which it can be kept."""
    if _NUL in text or _ESCAPE in text:
        return text.replace(_ESCAPE, _ESCAPED_ESCAPE).replace(_NUL, _ESCAPED_NUL)
    return text


def _text(data: bytes) -> str:
    return _given(data.decode())


def _given(text: str) -> str:
    return text.replace(_ESCAPED_NUL, _NUL).replace(_ESCAPED_ESCAPE, _ESCAPE) if _ESCAPE in text else text


def _texts_by_key(data: bytes) -> dict[str, str]:
    """Of equal keys the last one counts."""
    texts = json.decode(data, type=dict[str, str])
    # So JSON writes the character.
    return {_given(key): _given(text) for key, text in texts.items()} if b"\\u001a" in data else texts


def _number(data: bytes) -> int:
    return int.from_bytes(data, signed=True)


_READERS: dict[int, Callable[[bytes], Any]] = {
    16: b"\1".__eq__,  # boolean
    20: _number,  # bigint
    23: _number,  # integer
    25: _text,
    114: _texts_by_key,  # json: many rows are read as one
}


def reader(type_: int) -> Callable[[bytes], Any]:
    """What makes a value of the data of a column, by the number of its type; others than ours stay bytes."""
    return _READERS.get(type_, bytes)
