"""``memory``: users in the configuration itself."""

from __future__ import annotations

from .engine.section import Secret, Section
from .engine.values import Text


class Address(Section):
    medium: Text
    address: Text


class User(Section):
    username: Text
    password: Secret | None = None
    display_name: str | None = None
    threepids: tuple[Address, ...] = ()
    roles: tuple[str, ...] = ()


class Memory(Section):
    enabled: bool = False
    hash_enabled: bool = False
    identities: tuple[User, ...] = ()
