"""The Lua scripts: each is one change of state, whole or not at all, in one round trip."""

from __future__ import annotations

from functools import cache
from hashlib import sha1
from importlib.resources import files

from msgspec import Struct


class Script(Struct, frozen=True):
    """A script, and the hash by which the server knows it once it has seen it."""

    source: bytes
    sha: str


@cache
def script(name: str, prefix: str) -> Script:
    """A file of the folder ``scripts``, with what all have in common before it and the prefix of all keys in it."""
    folder = files(__package__) / "scripts"
    parts = (folder / f"{part}.lua" for part in ("common", name))
    source = f"local PREFIX = '{prefix}'\n".encode() + b"\n".join(part.read_bytes() for part in parts)
    return Script(source, sha1(source, usedforsecurity=False).hexdigest())
