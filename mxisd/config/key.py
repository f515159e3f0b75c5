"""``key``: the long-term signing key."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from .section import Section


class Key(Section):
    path: Path = Path("mxisd.signing.key")

    def resolved(self, directory: Path) -> Key:
        return replace(self, path=directory / self.path)
