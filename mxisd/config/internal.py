"""``internal``: endpoints for the administrator."""

from __future__ import annotations

from .engine.section import Section


class Internal(Section):
    enabled: bool = False
