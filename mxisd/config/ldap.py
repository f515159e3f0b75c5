"""``ldap``, ``netiq``: users in a directory server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import field

from .engine.hosts import Host, Port
from .engine.section import Finding, Secret, Section
from .engine.values import ExistingFile, TlsVerify

# A comparison, and what joins some: each becomes one mark, until there is no more than one.
_COMPARISON = re.compile(r"\(\s*[A-Za-z0-9:][^()=]*=[^()]*\)\s*")
_JOINED = re.compile(r"\(\s*(?:[&|]\s*\0*|!\s*\0)\s*\)\s*")


def is_filter(text: str) -> bool:
    """Whether a text has the form of a search filter (RFC 4515)."""
    left, joined = "", _COMPARISON.sub("\0", text.strip().replace("\0", ")"))
    while left != joined:
        left, joined = joined, _JOINED.sub("\0", joined)
    return joined == "\0"


class Connection(Section):
    """``tls`` is TLS from the first byte; whose certificates are good is in ``ca_file``, or known to the system."""

    tls: bool = False
    start_tls: bool = False
    ca_file: ExistingFile | None = None
    tls_verify: TlsVerify = "full"
    host: Host | None = None
    port: Port = 389
    bind_dn: str | None = None
    bind_password: Secret | None = None
    base_dn: str | None = None
    base_dns: tuple[str, ...] = field(default=(), name="baseDNs")

    @property
    def all_base_dns(self) -> tuple[str, ...]:
        """Those of both keys, each once."""
        return tuple(dict.fromkeys((*self.base_dns, *((self.base_dn,) if self.base_dn else ()))))


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
    role: tuple[str, ...] = ()


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
    lookup: bool = False


class Profile(Section):
    filter: str | None = None


class Ldap(Section):
    """``ldap`` and ``netiq``: users in a directory server."""

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

    def unused(self) -> Iterable[str]:
        return () if self.enabled else ("",)

    @property
    def unlisted(self) -> str | None:
        return "lookup" if self.enabled and not (self.lookup or self.identity.lookup) else None

    def mistakes(self) -> Iterable[Finding]:
        if not self.enabled:
            return
        connection = self.connection
        if not connection.host:
            yield Finding("connection.host", "required: expected the name or the address of the server")
        if not connection.all_base_dns:
            yield Finding("connection.baseDNs", "required: expected the names of the entries that the users are below")
        if connection.tls and connection.start_tls:
            yield Finding("connection.startTls", "expected either tls or startTls")
        if self.active_directory and self.attribute.uid.type != "uid":
            yield Finding("attribute.uid.type", "expected uid, since activeDirectory makes localparts of user names")

    @property
    def _filters(self) -> Iterable[tuple[str, str]]:
        """The filters by their keys, as they are sent: outside of ``medium`` the outer parentheses may be missing."""
        given = {
            "filter": self.filter,
            "auth.filter": self.auth.filter,
            "directory.filter": self.directory.filter,
            "identity.filter": self.identity.filter,
            "profile.filter": self.profile.filter,
        }
        for key, text in given.items():
            if text and text.strip():
                yield key, text if text.strip().startswith("(") else f"({text})"
        yield from ((f"identity.medium.{medium}", text) for medium, text in self.identity.medium.items())

    def cautions(self) -> Iterable[Finding]:
        connection = self.connection
        for key, text in self._filters:
            if self.enabled and not is_filter(text):
                yield Finding(
                    key, "is no LDAP filter, and nobody is found by it: write one such as (objectClass=person)"
                )
        if self.enabled and connection.bind_password and not (connection.tls or connection.start_tls):
            yield Finding("connection", "neither tls nor startTls: passwords are sent as they are")
        if self.enabled and (connection.tls or connection.start_tls) and connection.tls_verify != "full":
            told = {"none": "is not verified", "chain": "may be that of another host"}[connection.tls_verify]
            yield Finding("connection.tlsVerify", f"the directory server's certificate {told}")
        if self.enabled and self.active_directory:
            # Attribute names have no case.
            if self.attribute.uid.value.lower() == "samaccountname":
                yield Finding(
                    "attribute.uid.value",
                    "sAMAccountName has no domain: all users count as those of defaultDomain, and two of one name"
                    " cannot be told apart; for several domains set userPrincipalName",
                )
            elif not self.default_domain:
                yield Finding("defaultDomain", "not set: every user who is name@domain has the domain in the user ID")
