"""
JSON that can be read in one way only.

What is forwarded is written from what was read.  So neither a key given twice nor an odd encoding can make the
homeserver see something else than what was judged; keys that a lax parser would take for another are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any, TypeAlias

from ...matrix.error import MatrixError

JSON = b"application/json"

Object: TypeAlias = dict[str, Any]


def read(body: bytes, keys: Collection[str] = ()) -> Object:
    """
    Decode a JSON object, a clear one as to these keys; no body at all is an empty one.

    Raises :class:`MatrixError`.
    """
    if not body:
        return {}
    try:
        value = _decoder.decode(body.decode())
    except (ValueError, RecursionError):
        raise MatrixError(400, "M_NOT_JSON", "The body is not JSON in UTF-8 in which no key is given twice") from None
    return as_object(value, "The body", keys)


def write(value: Object) -> bytes:
    """Encode what :func:`read` returned.  Raises :class:`MatrixError` for what is no JSON, as half characters."""
    try:
        return _encoder.encode(value).encode()
    except (ValueError, RecursionError):
        raise MatrixError(400, "M_NOT_JSON", "The body has values in it that are no JSON") from None


def as_object(value: object, name: str, keys: Collection[str] = ()) -> Object:
    """Return a value that has to be an object, and a clear one as to these keys.  Raises :class:`MatrixError`."""
    if not isinstance(value, dict):
        raise MatrixError(400, "M_BAD_JSON", f"{name} is not a JSON object")
    for key in value:
        if key not in keys and _MUDDLE.sub("", key.casefold()) in keys:
            raise MatrixError(400, "M_BAD_JSON", f"{name} has a key that could be mistaken for another one")
    return value


def as_list(value: object, name: str) -> list[object]:
    """Return a value that has to be a list.  Raises :class:`MatrixError`."""
    if not isinstance(value, list):
        raise MatrixError(400, "M_BAD_JSON", f"{name} is not a list")
    return value


_MUDDLE = re.compile(r"[^0-9a-z_]")


def _once(pairs: list[tuple[str, object]]) -> Object:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
