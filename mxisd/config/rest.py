"""``rest``: users behind an HTTP API."""

from __future__ import annotations

from .section import Section
from .values import BaseUrl

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


class Rest(Section):
    enabled: bool = False
    host: BaseUrl | None = None
    endpoints: Endpoints = Endpoints()
