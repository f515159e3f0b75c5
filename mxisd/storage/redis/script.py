"""The Lua scripts: each is one atomic step, in one round trip."""

from __future__ import annotations

from functools import cache
from hashlib import sha1
from importlib.resources import files

from msgspec import Struct


class Script(Struct, frozen=True):
    """A script, and the SHA-1 by which EVALSHA runs it without sending it again."""

    source: bytes
    sha: str


@cache
def script(name: str, prefix: str) -> Script:
    """A file of the folder ``scripts``, after ``common.lua`` and the prefix of all keys."""
    folder = files(__package__) / "scripts"
    parts = (folder / f"{part}.lua" for part in ("common", name))
    source = f"local PREFIX = '{prefix}'\n".encode() + b"\n".join(part.read_bytes() for part in parts)
    return Script(source, sha1(source, usedforsecurity=False).hexdigest())
