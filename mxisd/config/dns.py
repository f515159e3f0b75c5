"""``dns``: where homeservers are reached, in place of what DNS says."""

from __future__ import annotations

from .section import Section
from .values import BaseUrl, Text


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
