"""``appsvc``: mxisd as an application service of the homeserver."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from msgspec import field

from .engine.hosts import BaseUrl
from .engine.section import Finding, Secret, Section
from .engine.values import Localpart


class User(Section):
    """Localparts."""

    main: Localpart = "mxisd"
    invite_expired: Localpart = "_mxisd_invite-expired"


class Endpoint(Section):
    url: BaseUrl | None = None
    token: Secret | None = None


class Endpoints(Section):
    to_as: Endpoint = field(default=Endpoint(), name="toAS")
    to_hs: Endpoint = field(default=Endpoint(), name="toHS")


class SynapseRegistration(Section):
    id: str = "appservice-mxisd"
    file: Path | None = None


class Registration(Section):
    synapse: SynapseRegistration = SynapseRegistration()


class Admin(Section):
    """``enabled``: ``None`` follows ``appsvc.enabled``."""

    enabled: bool | None = None
    allowed_roles: tuple[str, ...] = ()


class Feature(Section):
    """``clean_expired_invite``: ``None`` follows ``appsvc.enabled``."""

    admin: Admin = Admin()
    invite_by_id: bool = False
    clean_expired_invite: bool | None = None


class AppService(Section):
    """``appsvc``: mxisd as an application service of the homeserver."""

    enabled: bool = False
    user: User = User()
    endpoint: Endpoints = Endpoints()
    registration: Registration = Registration()
    feature: Feature = Feature()

    def main_user(self, domain: str) -> str:
        """The user ID of the main user."""
        return f"@{self.user.main}:{domain}"

    def expiry_user(self, domain: str) -> str:
        """The user ID that expired invites are given to."""
        return f"@{self.user.invite_expired}:{domain}"

    @property
    def rejects_expired(self) -> bool:
        """Whether the user that expired invites are given to rejects them."""
        return self.enabled and self.feature.clean_expired_invite is not False

    @property
    def takes_commands(self) -> bool:
        """Whether administrators can chat with the main user."""
        return self.enabled and self.feature.admin.enabled is not False

    def unused(self) -> Iterable[str]:
        return () if self.enabled else ("",)

    def mistakes(self) -> Iterable[Finding]:
        if self.enabled:
            needed = {"toHS": self.endpoint.to_hs, "toAS": self.endpoint.to_as}
            for name, endpoint in needed.items():
                if endpoint.url is None:
                    yield Finding(f"endpoint.{name}.url", "expected a URL, since appsvc.enabled is true")
                # It goes into a header, where homeservers split at spaces.
                if not re.fullmatch(r"[!-~]+", endpoint.token or ""):
                    wanted = "expected a token of ASCII characters without spaces, since appsvc.enabled is true"
                    yield Finding(f"endpoint.{name}.token", wanted)
        if self.user.main == self.user.invite_expired:
            yield Finding("user.inviteExpired", "expected another user than appsvc.user.main")

    def cautions(self) -> Iterable[Finding]:
        if self.takes_commands and not self.feature.admin.allowed_roles:
            yield Finding("feature.admin.allowedRoles", "not set: nobody can use the commands for administrators")
