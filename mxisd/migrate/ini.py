"""Sydent's settings, and what its data is read with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from configparser import ConfigParser, InterpolationError
from configparser import Error as IniError
from pathlib import Path
from typing import Any

import yaml
from signedjson.types import SigningKey
from unpaddedbase64 import encode_base64

from ..keys.file import KeyFileError, read_keys
from .tables import NotReadable

SECTIONS = ("general", "db", "http", "email", "sms", "crypto")

_HEX = re.compile(r"[0-9a-fA-F]{64}")


class NotIni(Exception):
    """The file is none that Sydent would read."""


class Ini:
    """A ``sydent.conf``."""

    def __init__(self, path: Path, content: bytes) -> None:
        """Raises :class:`NotIni`."""
        self.path = path
        self._parser = ConfigParser(strict=False)
        try:
            self._parser.read_string(content.decode())
        except (IniError, UnicodeDecodeError):
            raise NotIni from None
        if not any(self._parser.has_section(section) for section in SECTIONS):
            raise NotIni

    def get(self, section: str, option: str, default: str = "") -> str:
        """A value, as Sydent reads it."""
        try:
            return self._parser.get(section, option, fallback=default)
        except InterpolationError:
            return self._parser.get(section, option, raw=True)

    def list(self, section: str, option: str, separator: str = ",") -> list[str]:
        """A value that is a list."""
        return [part.strip() for part in self.get(section, option).split(separator) if part.strip()]

    def file(self, section: str, option: str) -> Path:
        """A file, which Sydent looks for from where it was started: here, or beside its settings."""
        name = self.get(section, option, "sydent.db" if option == "db.file" else "")
        beside = self.path.absolute().parent / name
        return beside if beside.exists() else Path(name).absolute()

    def options(self) -> Iterator[tuple[str, str]]:
        """All options by section."""
        for section in self._parser.sections():
            for option in self._parser.options(section):
                yield section, option

    def signing_keys(self) -> Sequence[SigningKey]:
        """
        The signing key; of an older Sydent it is in hexadecimal digits.

        Raises :class:`~mxisd.keys.file.KeyFileError`.
        """
        text = self.get("crypto", "ed25519.signingkey").strip()
        if not text:
            return ()
        if _HEX.fullmatch(text):
            text = f"ed25519 0 {encode_base64(bytes.fromhex(text))}"
        try:
            return read_keys(text.encode("ascii", "replace"), "")
        except KeyFileError:
            raise KeyFileError(f"{self.path}: ed25519.signingkey is no signing key: expected ed25519 0 …") from None

    @property
    def deletes_tokens(self) -> bool:
        """Whether an invite was deleted when a homeserver had taken it."""
        return self.get("general", "delete_tokens_on_bind", "true").lower() == "true"

    @property
    def terms_version(self) -> str | None:
        """The version of the terms that count."""
        version = self._terms().get("master_version")
        return version if isinstance(version, str) else None

    def policies(self) -> dict[str, Any]:
        """Its terms, as ``policy.policies`` has them.  Raises :class:`NotReadable` if Sydent could not read them."""
        if not self.get("general", "terms.path"):
            return {}
        try:
            docs = self._terms()["docs"] or {}
            return {name: {"version": str(doc["version"]), "terms": doc["langs"]} for name, doc in docs.items()}
        except (AttributeError, KeyError, TypeError):
            file = self.file("general", "terms.path")
            raise NotReadable(f"{self.path}: terms.path: no terms can be read in {file}") from None

    def _terms(self) -> Mapping[str, Any]:
        if not self.get("general", "terms.path"):
            return {}
        try:
            read = yaml.safe_load(self.file("general", "terms.path").read_bytes())
        except (OSError, yaml.YAMLError):
            return {}
        return read if isinstance(read, dict) else {}
