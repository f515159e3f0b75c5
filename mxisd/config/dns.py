"""``dns``: where homeservers are reached, in place of what DNS says."""

from __future__ import annotations

from .engine.section import Section
from .engine.values import BaseUrl, Text


class Entry(Section):
    name: Text
    value: BaseUrl


class Homeserver(Section):
    client: tuple[Entry, ...] = ()
    federation: tuple[Entry, ...] = ()


class Overwrite(Section):
    homeserver: Homeserver = Homeserver()


class Dns(Section):
    overwrite: Overwrite = Overwrite()
