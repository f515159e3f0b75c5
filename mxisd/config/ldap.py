"""``ldap`` and ``netiq``: users in a directory server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import field

from .section import Secret, Section
from .values import Port


class Connection(Section):
    tls: bool = False
    host: str | None = None
    port: Port = 389
    bind_dn: str | None = None
    bind_password: Secret | None = None
    base_dn: str | None = None
    base_dns: tuple[str, ...] = field(default=(), name="baseDNs")


class Uid(Section):
    type: Literal["uid", "mxid"] = "uid"
    value: str = "saMAccountName"


def _threepid_attributes() -> dict[str, tuple[str, ...]]:
    return {
        "email": ("mailPrimaryAddress", "mail", "otherMailbox"),
        "msisdn": ("telephoneNumber", "mobile", "homePhone", "otherTelephone", "otherMobile", "otherHomePhone"),
    }


class Attribute(Section):
    uid: Uid = Uid()
    name: str = "displayName"
    threepid: Mapping[str, tuple[str, ...]] = field(default_factory=_threepid_attributes)


class Auth(Section):
    filter: str | None = None


class DirectoryAttribute(Section):
    other: tuple[str, ...] = ()


class Directory(Section):
    attribute: DirectoryAttribute = DirectoryAttribute()
    filter: str | None = None


class Identity(Section):
    filter: str | None = None
    token: str = "%3pid"  # noqa: S105 - what stands for the address in a filter
    medium: Mapping[str, str] = {}


class Profile(Section):
    filter: str | None = None


class Ldap(Section):
    enabled: bool = False
    lookup: bool = False
    active_directory: bool = False
    default_domain: str | None = None
    filter: str | None = None
    connection: Connection = Connection()
    attribute: Attribute = Attribute()
    auth: Auth = Auth()
    directory: Directory = Directory()
    identity: Identity = Identity()
    profile: Profile = Profile()
