"""``directory``: what a search of the user directory leaves out."""

from __future__ import annotations

from .engine.section import Section


class Exclude(Section):
    homeserver: bool = False
    threepid: bool = False


class Directory(Section):
    exclude: Exclude = Exclude()
