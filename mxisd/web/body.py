"""Reads request bodies into Structs; for what is wrong there is an error that names it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec

from ..matrix.error import MatrixError

T = TypeVar("T")

# What programs write into a form for nothing at all.
_NOTHING = ("None", "null", "undefined")
_NUMBER = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?", re.ASCII)


def from_json(body: bytes, type_: type[T]) -> T:
    """Decode a JSON body.  Raises :class:`MatrixError`."""
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError:
        # Once more and more slowly, to tell what was wrong.
        return _understood(_parse(body), type_, strict=True)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise _not_json() from None


def from_form(text: bytes, type_: type[T]) -> T:
    """Decode a form: a list is a parameter given several times; of any other one given twice, the first counts."""
    kind: Any = type_
    lists, optional = _lists(kind), _optional(kind)
    values: dict[str, Any] = {}
    try:
        for name, value in parse_qsl(text.decode(), keep_blank_values=True, errors="strict", max_num_fields=100):
            if name in optional and value in _NOTHING:
                continue
            if name in lists:
                values.setdefault(name, []).append(value)
            else:
                values.setdefault(name, value)
    except ValueError:  # UnicodeDecodeError is one
        raise MatrixError(400, "M_INVALID_PARAM", "The parameters are not form-encoded UTF-8") from None
    return _understood(values, type_, strict=False)


def from_strings(values: Mapping[str, str], type_: type[T]) -> T:
    """Convert parameters that arrived as text: numbers are read from it.  Raises :class:`MatrixError`."""
    kind: Any = type_
    optional = _optional(kind)
    given = {name: value for name, value in values.items() if name not in optional or value not in _NOTHING}
    return _understood(given, type_, strict=False)


def from_values(values: Mapping[str, Any], type_: type[T]) -> T:
    """
    Convert parameters that were decoded from JSON already, and are judged for somebody else: types count strictly.

    Raises :class:`MatrixError`.
    """
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


def _understood(values: Any, type_: type[T], *, strict: bool) -> T:
    """Convert what a client sent, generously.  Raises :class:`MatrixError`."""
    if isinstance(values, Mapping):
        with suppress(msgspec.ValidationError, RecursionError):
            return msgspec.convert(values, type_, strict=strict)
        with suppress(msgspec.ValidationError, RecursionError):
            return msgspec.convert(_alike(values, type_), type_, strict=strict)
    return _convert(values, type_, strict=strict)


def _alike(value: Any, kind: Any) -> Any:
    """
    The value, with scalars of another type than the wanted one brought to it where they mean the same.

    Clients send ``"send_attempt": "1"``, and numbers for what is a text that consists of digits.
    """
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, UnionType):
        kind = next((part for part in get_args(kind) if part not in (NoneType, msgspec.UnsetType)), None)
        return value if value is None else _alike(value, kind)
    if kind is int and isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value.partition(".")[0])
    if kind is int and isinstance(value, float):
        # Whole numbers are only compared here, and no client means a half one.
        return int(value)
    if kind is str and isinstance(value, int | float) and not isinstance(value, bool) and value == int(value):
        return str(int(value))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(value, Mapping):
        kinds = {field.encode_name: field.type for field in _fields(kind)}
        return {name: _alike(item, kinds.get(name)) for name, item in value.items()}
    return value


# msgspec finds them out anew each time, which takes as long as all the rest.
@cache
def _fields(kind: Any) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The fields of a Struct; nothing else has any."""
    return msgspec.structs.fields(kind) if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else ()


@cache
def _optional(kind: Any) -> frozenset[str]:
    return frozenset(field.encode_name for field in _fields(kind) if not field.required)


@cache
def _lists(kind: Any) -> frozenset[str]:
    return frozenset(field.encode_name for field in _fields(kind) if get_origin(field.type) is list)


def _missing(values: Mapping[str, Any], type_: Any, path: str = "") -> list[str]:
    missing: list[str] = []
    for field in _fields(type_):
        value = values.get(field.encode_name)
        if field.required and field.encode_name not in values:
            missing.append(path + field.encode_name)
        elif isinstance(value, Mapping):
            missing += _missing(value, field.type, f"{path}{field.encode_name}.")
    return missing
