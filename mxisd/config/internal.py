"""``internal``: endpoints for the administrator."""

from __future__ import annotations

from .section import Section


class Internal(Section):
    enabled: bool = False
