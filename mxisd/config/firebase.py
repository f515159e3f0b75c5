"""``firebase``: the keys of a store that mxisd had, and that is not supported here."""

from __future__ import annotations

from collections.abc import Iterable

from .engine.section import Finding, Section


class Firebase(Section):
    enabled: bool = False
    credentials: str | None = None
    database: str | None = None

    def mistakes(self) -> Iterable[Finding]:
        if self.enabled:
            yield Finding("enabled", "Firebase is not supported; ask it from a service of your own by the rest store")

    def cautions(self) -> Iterable[Finding]:
        if self != Firebase():
            yield Finding("", "without effect: Firebase is not supported")
