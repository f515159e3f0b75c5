"""The file of signing keys."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from signedjson.key import generate_signing_key, read_signing_keys, write_signing_keys
from signedjson.types import SigningKey

from .. import files
from ..errors import StartError


class KeyFileError(StartError):
    """The file of signing keys cannot be used; the message names it and says why."""


def load_or_create(path: Path) -> list[SigningKey]:
    """
    Read the signing keys in a file, one ``ed25519 VERSION BASE64`` a line; create it with a new key if it is missing.

    Raises :class:`KeyFileError`.
    """
    try:
        try:
            return _load(path)
        except FileNotFoundError:
            files.create(path, new_keys())
            return _load(path)
    except OSError as error:
        raise KeyFileError(f"cannot use the signing keys in {path}: {error.strerror}") from error


def read_keys(content: bytes, where: str) -> list[SigningKey]:
    """
    Read the signing keys in the content of such a file; ``where`` is its name for error messages.

    Raises :class:`KeyFileError`.
    """
    try:
        keys = read_signing_keys(line for line in content.decode("ascii").splitlines() if line.strip())
    except (ValueError, TypeError):
        # Not chained: the cause may quote the key.
        raise KeyFileError(f"{where} is not a file of signing keys: expected lines 'ed25519 VERSION BASE64'") from None
    if not keys:
        raise KeyFileError(f"{where} holds no signing key: expected a line 'ed25519 VERSION BASE64'")
    return keys


def new_keys() -> bytes:
    """The content of a file with one new signing key."""
    file = StringIO()
    write_signing_keys(file, [generate_signing_key("0")])
    return file.getvalue().encode("ascii")


def load_for_check(path: Path) -> list[SigningKey]:
    """
    Return what :func:`load_or_create` would, without creating a file: if there is none, a new key that is not kept.

    Raises :class:`KeyFileError`.
    """
    try:
        try:
            return _load(path)
        except FileNotFoundError:
            if path.is_symlink():
                raise  # one that leads nowhere: no file can be made of its name
            files.check_writable(path)
            return read_keys(new_keys(), str(path))
    except OSError as error:
        raise KeyFileError(f"cannot use the signing keys in {path}: {error.strerror}") from error


def _load(path: Path) -> list[SigningKey]:
    return read_keys(path.read_bytes(), str(path))
