"""``logging``: how much is logged."""

from __future__ import annotations

from typing import Literal

from .engine.section import Section

Level = Literal["trace", "debug", "info", "warn", "error", "off"]


class Logging(Section):
    root: Level = "info"
    app: Level = "info"
    requests: bool = False
