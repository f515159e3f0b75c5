"""``stores``: what all identity stores have in common."""

from __future__ import annotations

from typing import Literal

from .engine.section import Section


class Stores(Section):
    """``localparts``: what is done with a user whose name in a store is no localpart."""

    localparts: Literal["map", "refuse"] = "map"
