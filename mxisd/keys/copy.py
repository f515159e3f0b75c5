"""Bringing signing keys from one server to another, each of which has them in a file or in its storage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from signedjson.types import SigningKey

from .. import files
from ..matrix.signing import id_of
from ..storage.contract import KeyStorage
from ..storage.copy import CopyFailed
from .file import file_of, load, make_folder_of, merged, read_keys, write_keys


class KeyPlace(NamedTuple):
    """Where a server has its keys: in the file ``path`` or, without one, in the storage."""

    path: Path | None
    storage: KeyStorage

    async def keys(self) -> list[SigningKey]:
        """Those that are there; nothing is made.  Raises :class:`~mxisd.keys.file.KeyFileError`, :class:`OSError`."""
        if self.path is not None:
            return load(self.path)
        try:
            return read_keys(await self.storage.signing_keys(_make_none), "the storage")
        except LookupError:
            return []

    async def put(self, keys: Sequence[SigningKey]) -> None:
        """Have these keys there, in place of those in the file.  Raises :class:`CopyFailed`, :class:`OSError`."""
        content = write_keys(keys)
        if self.path is None:
            if await self.storage.signing_keys(lambda: content) != content:
                raise CopyFailed("the target has other signing keys; remove them if nothing uses them")
            return
        place = file_of(self.path)
        make_folder_of(place)
        files.replace(place, content)


async def copy_keys(source: KeyPlace, target: KeyPlace) -> None:
    """
    Let the target sign with the same keys.

    Raises :class:`CopyFailed`, :class:`~mxisd.keys.file.KeyFileError`, :class:`OSError`.
    """
    keys, found = await source.keys(), await target.keys()
    if keys and not found:
        await target.put(keys)
    elif keys and write_keys(keys) != write_keys(found):
        raise CopyFailed(f"{target.path or 'the target'} has other signing keys; remove them if nothing uses them")


async def missing_keys(keys: Sequence[SigningKey], target: KeyPlace) -> list[SigningKey]:
    """
    Those of an older server's keys that the target does not have yet.

    Raises :class:`CopyFailed` if it has another key of the same ID, or cannot take any.
    """
    found = await target.keys()
    missing = merged(found, keys)[len(found) :]
    for name in {id_of(key) for key in missing} & {id_of(key) for key in found}:
        raise CopyFailed(f"{target.path or 'the storage'} has another key {name}: remove it if nothing uses it")
    if missing and found and target.path is None:
        raise CopyFailed("the storage has other signing keys; remove them if nothing uses them")
    return missing


def _make_none() -> bytes:
    raise LookupError
