"""``memory``: users in the configuration itself."""

from __future__ import annotations

from .section import Secret, Section


class Address(Section):
    medium: str
    address: str


class User(Section):
    username: str
    password: Secret | None = None
    display_name: str | None = None
    threepids: tuple[Address, ...] = ()
    roles: tuple[str, ...] = ()


class Memory(Section):
    enabled: bool = False
    hash_enabled: bool = False
    identities: tuple[User, ...] = ()
