"""
The folder of keys of mxisd 1.3 and later, and of ma1sd.  It is read, and never changed.

``current`` names the key that signs, ``regular/ed25519/<serial>`` are the long-term keys, and
``ephemeral/ed25519/<serial>`` those that were made for invites.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import MsgspecError, Struct, field, json
from signedjson.types import SigningKey

from ..matrix.signing import private_key_of, public_key_of

ALGORITHM = "ed25519"
# What a file system or an administrator may have put there besides.
_NO_CONTENT = {"lost+found"}


class _Current(Struct):
    serial: str
    type: str = "Regular"
    algo: str = ALGORITHM


class _Key(Struct):
    key: str
    is_valid: bool | None = None
    is_valid_too: bool | None = field(default=None, name="isValid")

    @property
    def valid(self) -> bool:
        return False not in (self.is_valid, self.is_valid_too)


def long_term_keys(folder: Path) -> list[SigningKey]:
    """
    The long-term keys, that which signs first; none if the folder is empty.

    Those that were marked as invalid are left out.  Raises :class:`ValueError`, which names a file and not what is in
    it, and :class:`OSError`.
    """
    if not any((folder / name).exists() for name in ("current", "regular", "ephemeral")):
        if any(path.name not in _NO_CONTENT and not path.name.startswith(".") for path in folder.iterdir()):
            raise ValueError(f"{folder} is a folder without keys of mxisd: name a file")
        return []
    current = _current(folder)
    found = [(path, _read(path)) for path in _files(folder / "regular")]
    if current is not None and current not in (path.name for path, _ in found):
        raise ValueError(f"{folder / 'current'} names a key that is not in {folder / 'regular' / ALGORITHM}")
    usable = [(path, key) for path, key in found if key.valid or path.name == current]
    # Without a word on it, the newest signs.
    usable.sort(key=lambda item: (item[0].name != current, -item[0].stat().st_mtime, item[0].name))
    return [_signing_key(path, key) for path, key in usable]


def ephemeral_keys(folder: Path) -> dict[str, str]:
    """The private keys of invites by their public keys, in unpadded base64; what cannot be read is left out."""
    keys = {}
    for path in _files(folder / "ephemeral"):
        with suppress(ValueError, OSError):
            private = _read(path).key
            keys[public_key_of(private)] = private.rstrip("=")
    return keys


def _files(kind: Path) -> Iterator[Path]:
    folder = kind / ALGORITHM
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _current(folder: Path) -> str | None:
    path = folder / "current"
    if not path.exists():
        return None
    try:
        current = json.decode(path.read_bytes(), type=_Current)
    except MsgspecError:
        raise ValueError(f'{path} does not name a key: expected {{"type":"Regular",…,"serial":"…"}}') from None
    if current.type.lower() != "regular" or current.algo.lower() != ALGORITHM:
        raise ValueError(f"{path} names a key of another kind: expected one of type Regular and algorithm {ALGORITHM}")
    return current.serial


def _read(path: Path) -> _Key:
    try:
        return json.decode(path.read_bytes(), type=_Key)
    except MsgspecError:
        raise ValueError(f'{path} is not a key: expected {{"version":"0","is_valid":true,"key":"…"}}') from None


def _signing_key(path: Path, key: _Key) -> SigningKey:
    try:
        return private_key_of(key.key, path.name)
    except ValueError as error:
        raise ValueError(f"{path} is not a key: {error}") from None
