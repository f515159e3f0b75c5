"""From what a client sends to a Struct, or to an error that names what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_origin
from urllib.parse import parse_qsl

import msgspec

from ..matrix.error import MatrixError

T = TypeVar("T")


def from_json(body: bytes, type_: type[T]) -> T:
    """Decode a JSON body.  Raises :class:`MatrixError`."""
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError:
        # Once more and more slowly, to tell what was wrong.
        return _convert(_parse(body), type_, strict=True)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise _not_json() from None


def from_form(text: bytes, type_: type[T]) -> T:
    """Decode a form: a list is a parameter given several times; of any other one given twice, the first counts."""
    lists = _lists(type_)
    values: dict[str, Any] = {}
    try:
        for name, value in parse_qsl(text.decode(), keep_blank_values=True, errors="strict", max_num_fields=100):
            if name in lists:
                values.setdefault(name, []).append(value)
            else:
                values.setdefault(name, value)
    except ValueError:  # UnicodeDecodeError is one
        raise MatrixError(400, "M_INVALID_PARAM", "The parameters are not form-encoded UTF-8") from None
    return _convert(values, type_, strict=False)


def from_strings(values: Mapping[str, str], type_: type[T]) -> T:
    """Convert parameters that arrived as text: numbers are read from it.  Raises :class:`MatrixError`."""
    return _convert(values, type_, strict=False)


def from_values(values: Mapping[str, Any], type_: type[T]) -> T:
    """Convert parameters that were decoded from JSON already.  Raises :class:`MatrixError`."""
    return _convert(values, type_, strict=True)


def _parse(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise _not_json() from None


def _not_json() -> MatrixError:
    return MatrixError(400, "M_NOT_JSON", "The body is not JSON")


def _convert(values: Any, type_: type[T], *, strict: bool) -> T:
    if not isinstance(values, Mapping):
        raise MatrixError(400, "M_BAD_JSON", "The body is not a JSON object")
    try:
        return msgspec.convert(values, type_, strict=strict)
    except (msgspec.ValidationError, RecursionError) as error:
        # msgspec names the first mistake only; what is missing is better named all at once.
        if missing := _missing(values, type_):
            raise MatrixError(400, "M_MISSING_PARAMS", f"Missing parameters: {', '.join(missing)}") from None
        raise MatrixError(400, "M_INVALID_PARAM", f"Wrong parameter: {error}") from None


def _lists(type_: Any) -> frozenset[str]:
    if not (isinstance(type_, type) and issubclass(type_, msgspec.Struct)):
        return frozenset()
    return frozenset(field.encode_name for field in msgspec.structs.fields(type_) if get_origin(field.type) is list)


def _missing(values: Mapping[str, Any], type_: Any, path: str = "") -> list[str]:
    if not (isinstance(type_, type) and issubclass(type_, msgspec.Struct)):
        return []
    missing: list[str] = []
    for field in msgspec.structs.fields(type_):
        value = values.get(field.encode_name)
        if field.required and field.encode_name not in values:
            missing.append(path + field.encode_name)
        elif isinstance(value, Mapping):
            missing += _missing(value, field.type, f"{path}{field.encode_name}.")
    return missing
