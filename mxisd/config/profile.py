"""``profile``: what the profiles of users show."""

from __future__ import annotations

from collections.abc import Iterable

from .engine.section import Finding, Section


class Profile(Section):
    """``public``: whether addresses and roles are shown to everybody, as mxisd did, or only to users."""

    public: bool = False

    def cautions(self) -> Iterable[Finding]:
        if self.public:
            yield Finding("public", "the addresses and roles of all users are shown to anybody who asks")
