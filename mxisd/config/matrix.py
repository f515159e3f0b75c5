"""``matrix``: the homeserver that is served, and the identity servers that are known."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import field

from .engine.section import Section
from .engine.values import BaseUrl, ServerName


def _known_servers() -> dict[str, tuple[str, ...]]:
    return {"matrix-org": ("https://matrix.org",)}


class Identity(Section):
    servers: Mapping[str, tuple[BaseUrl, ...]] = field(default_factory=_known_servers)


class Homeserver(Section):
    url: BaseUrl | None = None


class Matrix(Section):
    domain: ServerName
    identity: Identity = Identity()
    homeserver: Homeserver = Homeserver()
    v1: bool = True
    v2: bool = True
