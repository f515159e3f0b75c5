"""``stores``, ``memory``, ``rest``, ``firebase``: what all identity stores share, and the simple ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ..masking import masked_url
from .engine.hosts import BaseUrl, url
from .engine.section import Finding, Secret, Section, Unfit
from .engine.values import Text


class Stores(Section):
    """``stores``: ``localparts`` is what is done with a user whose name in a store is no localpart."""

    localparts: Literal["map", "refuse"] = "map"


class MemoryAddress(Section):
    medium: Text
    address: Text


class MemoryUser(Section):
    username: Text
    password: Secret | None = None
    display_name: str | None = None
    threepids: tuple[MemoryAddress, ...] = ()
    roles: tuple[str, ...] = ()


class Memory(Section):
    """``memory``: users in the configuration itself."""

    enabled: bool = False
    hash_enabled: bool = False
    identities: tuple[MemoryUser, ...] = ()

    def unused(self) -> Iterable[str]:
        return () if self.enabled else ("",)

    @property
    def unlisted(self) -> str | None:
        """The key for which hashed lookups do not find the users, if they do not; so in the other stores."""
        return "hashEnabled" if self.enabled and not self.hash_enabled else None


_BASE = "/_mxisd/backend/api/v1"


class RestIdentity(Section):
    single: str = f"{_BASE}/identity/single"
    bulk: str = f"{_BASE}/identity/bulk"


class RestProfile(Section):
    display_name: str = f"{_BASE}/profile/displayName"
    threepids: str = f"{_BASE}/profile/threepids"
    roles: str = f"{_BASE}/profile/roles"


class RestEndpoints(Section):
    """Paths or full URLs; an empty one switches a feature off."""

    auth: str = f"{_BASE}/auth/login"
    directory: str = f"{_BASE}/directory/user/search"
    identity: RestIdentity = RestIdentity()
    profile: RestProfile = RestProfile()

    @property
    def given(self) -> Iterable[tuple[str, str]]:
        """All of them, by key."""
        yield "auth", self.auth
        yield "directory", self.directory
        yield "identity.single", self.identity.single
        yield "identity.bulk", self.identity.bulk
        yield "profile.displayName", self.profile.display_name
        yield "profile.threepids", self.profile.threepids
        yield "profile.roles", self.profile.roles


class Rest(Section):
    """``rest``: users behind an HTTP API."""

    enabled: bool = False
    host: BaseUrl | None = None
    endpoints: RestEndpoints = RestEndpoints()

    def unused(self) -> Iterable[str]:
        return () if self.enabled else ("",)

    @property
    def unlisted(self) -> str | None:
        """Nothing lists the users that are behind endpoints."""
        identity = self.endpoints.identity
        return "endpoints.identity" if self.enabled and (identity.single or identity.bulk) else None

    def mistakes(self) -> Iterable[Finding]:
        if not self.enabled:
            return
        for key, endpoint in self.endpoints.given:
            if endpoint.startswith("/"):
                if not self.host:
                    yield Finding("host", f"required: expected the base of URLs, since endpoints.{key} is only a path")
                    return
            elif endpoint:
                try:
                    url(endpoint)
                except Unfit as unfit:
                    yield Finding(
                        f"endpoints.{key}",
                        f"expected a path that begins with / or {unfit}, found {masked_url(endpoint)!r}",
                    )


class Firebase(Section):
    """``firebase``: the keys of a store that mxisd had, and that is not supported here."""

    enabled: bool = False
    credentials: str | None = None
    database: str | None = None

    def unused(self) -> Iterable[str]:
        return () if self.enabled else ("",)

    def mistakes(self) -> Iterable[Finding]:
        if self.enabled:
            yield Finding("enabled", "Firebase is not supported; ask it from a service of your own by the rest store")

    def cautions(self) -> Iterable[Finding]:
        if self != Firebase():
            yield Finding("", "without effect: Firebase is not supported")
