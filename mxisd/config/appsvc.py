"""``appsvc``: mxisd as an application service of the homeserver."""

from __future__ import annotations

from pathlib import Path

from msgspec import field

from .section import Secret, Section
from .values import BaseUrl, Localpart


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
    enabled: bool = False
    user: User = User()
    endpoint: Endpoints = Endpoints()
    registration: Registration = Registration()
    feature: Feature = Feature()
