"""
Convert records to Redis hashes and back: a hash has each field of the record that is not ``None``.

An address is two fields, since scripts make the names of other keys of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

from msgspec import Struct, json

from ...matrix.threepid import ThreePid
from ..records import Session, secret_digest, token_digest
from .connection import Argument

Record = TypeVar("Record", bound=Struct)

# Old names of fields, in invites and deliveries that an older mxisd wrote.
_OLD_NAMES = {b"mxid": b"user_id"}


def fields(record: Struct) -> list[Argument]:
    """Names and values of a record in turn, as HSET takes them."""
    flat: list[Argument] = []
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, ThreePid):
            flat += ("medium", value.medium, "address", value.address)
        elif value is not None:
            flat += (name, _written(value))
    return flat


def _written(value: Any) -> Argument:
    if isinstance(value, dict):
        return json.encode(value)
    argument: Argument = int(value) if isinstance(value, bool) else value
    return argument


def read(record: type[Record], answer: Sequence[bytes]) -> Record:
    """Make a record of the answer to HGETALL; fields that the record does not have are for our scripts only."""
    readers = _readers(record)
    values: dict[str, Any] = dict.fromkeys(_optional(record))
    for written, value in zip(answer[::2], answer[1::2], strict=True):
        name = _OLD_NAMES.get(written, written)
        if name in readers:
            values[name.decode()] = readers[name](value)
    if "threepid" in record.__struct_fields__:
        values["threepid"] = ThreePid(values.pop("medium"), values.pop("address"))
    return record(**values)


def read_session(answer: Sequence[bytes]) -> Session:
    """The same for a session, perhaps one that an older mxisd wrote, with its secrets."""
    old = dict(zip(answer[::2], answer[1::2], strict=True))
    if b"client_secret" not in old:
        return read(Session, answer)
    sid, medium, address, secret, token = (
        old[name].decode() for name in (b"sid", b"medium", b"address", b"client_secret", b"token")
    )
    digests = secret_digest(medium, address, secret), token_digest(sid, secret, token)
    return read(Session, [*answer, b"secret_digest", digests[0].encode(), b"token_digests", digests[1].encode()])


@cache
def _optional(record: type[Struct]) -> tuple[str, ...]:
    hints = get_type_hints(record)
    return tuple(name for name in record.__struct_fields__ if NoneType in get_args(hints[name]))


@cache
def _readers(record: type[Struct]) -> dict[bytes, Callable[[bytes], Any]]:
    hints = get_type_hints(record)
    readers = {name.encode(): _reader(hints[name]) for name in record.__struct_fields__}
    if readers.pop(b"threepid", None):
        readers |= {b"medium": bytes.decode, b"address": bytes.decode}
    return readers


def _reader(kind: Any) -> Callable[[bytes], Any]:
    if kind in (int, int | None):
        return int
    if kind is bool:
        return lambda value: value == b"1"
    return json.decode if kind in (dict[str, object], dict[str, int]) else bytes.decode
