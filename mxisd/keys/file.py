"""The file of signing keys, and what older servers had in its place."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from signedjson.key import generate_signing_key, read_signing_keys, write_signing_keys
from signedjson.types import SigningKey

from .. import files
from ..errors import StartError
from ..matrix.signing import id_of, private_key_of
from .folder import long_term_keys


class KeyFileError(StartError):
    """The file of signing keys cannot be used; the message names it and says why."""


def load_or_create(path: Path) -> list[SigningKey]:
    """
    Read the signing keys in a file, one ``ed25519 VERSION BASE64`` a line; create it with a new key if it is missing.

    What older servers kept is read, too: a single line of base64, which is the key ``ed25519:0``, and their folder of
    keys.  An empty file or folder gets a new key.  Raises :class:`KeyFileError`.
    """
    try:
        return load(path) or _create(path)
    except OSError as error:
        raise _unusable(path, error) from error


def load_for_check(path: Path) -> list[SigningKey]:
    """
    Return what :func:`load_or_create` would, without creating a file: if there is none, a new key that is not kept.

    Raises :class:`KeyFileError`.
    """
    try:
        if keys := load(path):
            return keys
        if path.is_symlink() and not path.exists():
            path.read_bytes()  # no file can be made of its name, and this says why
        place = file_of(path)
        if not place.exists():
            files.check_writable(_existing(place.parent) / place.name)
        elif not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, "it is empty, and no key can be written into it")
        return read_keys(new_keys(), str(path))
    except OSError as error:
        raise _unusable(path, error) from error


def load(path: Path) -> list[SigningKey]:
    """
    The keys that a path leads to, the one that signs first; none if nothing is there.

    Raises :class:`KeyFileError`, :class:`OSError`.
    """
    place = file_of(path)
    content = place.read_bytes() if place.exists() else b""
    keys = read_keys(content, str(place)) if content.strip() else []
    if not path.is_dir():
        return keys
    try:
        old = long_term_keys(path)
    except ValueError as error:
        raise KeyFileError(str(error)) from None
    return _distinct(merged(keys, old), f"{place}, together with {path},")


def file_of(path: Path) -> Path:
    """The file that new keys go into: the path itself or, for the folder of an older server, a file beside that."""
    beside = path.with_name(f"{path.name}.signing.key")
    return beside if path.is_dir() or (beside.exists() and not path.exists()) else path


def read_keys(content: bytes, where: str) -> list[SigningKey]:
    """
    Read the signing keys in the content of such a file; ``where`` is its name for error messages.

    Raises :class:`KeyFileError`.
    """
    # Not chained: the cause may quote the key.
    try:
        lines = [line for line in content.decode("ascii").splitlines() if line.strip()]
        single = len(lines) == 1 and len(lines[0].split()) == 1
        keys = [private_key_of(lines[0].strip(), "0")] if single else read_signing_keys(lines)
    except (ValueError, TypeError):
        # Sydent has its key among its settings.
        hint = f"; 'mxisd migrate --from {where} --to mxisd.yaml' reads it" if b"ed25519.signingkey" in content else ""
        raise KeyFileError(
            f"{where} is not a file of signing keys: expected lines 'ed25519 VERSION BASE64'{hint}"
        ) from None
    if not keys:
        raise KeyFileError(f"{where} holds no signing key: expected a line 'ed25519 VERSION BASE64'")
    return _distinct(keys, where)


def merged(keys: Sequence[SigningKey], more: Sequence[SigningKey]) -> list[SigningKey]:
    """The keys, and after them those of ``more`` that are not among them: of another ID, or another key."""
    known = {(id_of(key), key.encode()) for key in keys}
    return [*keys, *(key for key in more if (id_of(key), key.encode()) not in known)]


def write_keys(keys: Sequence[SigningKey]) -> bytes:
    """The content of a file with these keys."""
    file = StringIO()
    write_signing_keys(file, list(keys))
    return file.getvalue().encode("ascii")


def new_keys() -> bytes:
    """The content of a file with one new signing key."""
    return write_keys([generate_signing_key("0")])


def make_folder_of(path: Path) -> None:
    """Make the folder of a key file if it is missing, and those above it.  Raises :class:`OSError`."""
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _create(path: Path) -> list[SigningKey]:
    """Put a new key where :func:`load` finds it, or read what another process has put there meanwhile."""
    place = file_of(path)
    if place.exists():
        files.fill(place, new_keys())
    else:
        make_folder_of(place)
        files.create(place, new_keys())
    return read_keys(place.read_bytes(), str(place))


def _existing(folder: Path) -> Path:
    """The folder, or the one above it in which it has to be made."""
    return folder if folder.exists() or folder == folder.parent else _existing(folder.parent)


def _distinct(keys: list[SigningKey], where: str) -> list[SigningKey]:
    names = [id_of(key) for key in keys]
    for name in names:
        if names.count(name) > 1:
            # Signatures name the key that they were made with: nobody could tell which of the two that is.
            raise KeyFileError(f"{where} holds two keys {name}: give one of them another version, or remove it")
    return keys


def _unusable(path: Path, error: OSError) -> KeyFileError:
    return KeyFileError(f"cannot use the signing keys in {path}: {error.strerror}")
