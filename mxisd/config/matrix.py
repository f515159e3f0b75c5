"""``matrix``, ``account``, ``policy``: whom mxisd serves, who may have an account here, and under which terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import field

from .engine.hosts import BaseUrl, IdentityServer, TermsUrl
from .engine.section import Finding, Section
from .engine.values import Expression, ServerName, Text


def _known_servers() -> dict[str, tuple[str, ...]]:
    return {"matrix-org": ("https://matrix.org",)}


class Identity(Section):
    """``servers``: their URLs by label; an empty one is of a server that cannot be asked."""

    servers: Mapping[str, tuple[IdentityServer, ...]] = field(default_factory=_known_servers)


class Homeserver(Section):
    url: BaseUrl | None = None


class Matrix(Section):
    """``matrix``: the homeserver that is served, and the identity servers that are known."""

    domain: ServerName
    identity: Identity = Identity()
    homeserver: Homeserver = Homeserver()
    v1: bool = True
    v2: bool = True


class Account(Section):
    """
    ``account``, which ma1sd read as ``accountConfig``: who has an account of the v2 API.

    ``allow_only_trust_domains`` is whether only users of ``matrix.domain`` have.
    """

    allow_only_trust_domains: bool = True


class Term(Section):
    """A policy in one language."""

    name: Text
    url: TermsUrl


class TermsPolicy(Section):
    """``regexp``: the paths that need it to be accepted; all, if there are none."""

    version: Text
    terms: Mapping[str, Term]
    regexp: tuple[Expression, ...] = ()

    def mistakes(self) -> Iterable[Finding]:
        if not self.terms:
            yield Finding("terms", "required: expected a name and a URL for at least one language, such as en")


class Policies(Section):
    """``policy``: the terms of service."""

    policies: Mapping[str, TermsPolicy] = {}
