"""``key``: the long-term signing key."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from .engine.section import Section


class Key(Section):
    path: Path | None = None

    def resolved(self, directory: Path, default: Path | None) -> Key:
        """With the full path; ``default`` is for when none is set."""
        path = self.path or default
        return replace(self, path=path and directory / path)
