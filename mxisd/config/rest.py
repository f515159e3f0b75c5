"""``rest``: users behind an HTTP API."""

from __future__ import annotations

from collections.abc import Iterable

from ..masking import masked_url
from .engine.section import Finding, Section, Unfit
from .engine.values import BaseUrl, url

_BASE = "/_mxisd/backend/api/v1"


class Identity(Section):
    single: str = f"{_BASE}/identity/single"
    bulk: str = f"{_BASE}/identity/bulk"


class Profile(Section):
    display_name: str = f"{_BASE}/profile/displayName"
    threepids: str = f"{_BASE}/profile/threepids"
    roles: str = f"{_BASE}/profile/roles"


class Endpoints(Section):
    """Paths or full URLs; an empty one switches a feature off."""

    auth: str = f"{_BASE}/auth/login"
    directory: str = f"{_BASE}/directory/user/search"
    identity: Identity = Identity()
    profile: Profile = Profile()

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
    enabled: bool = False
    host: BaseUrl | None = None
    endpoints: Endpoints = Endpoints()

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
