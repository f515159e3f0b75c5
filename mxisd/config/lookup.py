"""``lookup``: who may have other servers asked, and which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_network

from .engine.section import Finding, Section
from .engine.values import BaseUrl, Cidr, Duration, ServerName

PRIVATE = tuple(
    ip_network(network) for network in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128")
)


class Bulk(Section):
    enabled: bool = True


class Bridge(Section):
    enabled: bool = False
    recursive_only: bool = True
    server: BaseUrl | None = None
    mappings: Mapping[str, BaseUrl] = {}

    def mistakes(self) -> Iterable[Finding]:
        if self.enabled and not self.server and not self.mappings:
            yield Finding("server", "required: expected the URL of the bridge, here or in mappings")


class Federation(Section):
    """``allow`` and ``deny`` are domains, each with those below it; all are allowed if none is."""

    enabled: bool = True
    allow: tuple[ServerName, ...] = ()
    deny: tuple[ServerName, ...] = ()


class Cache(Section):
    """Seconds."""

    found: Duration = 300
    missed: Duration = 60


class Recursive(Section):
    """``timeout`` is in seconds, for each server."""

    enabled: bool = True
    timeout: Duration = 10
    allowed_cidr: tuple[Cidr, ...] = PRIVATE
    bridge: Bridge = Bridge()
    federation: Federation = Federation()
    cache: Cache = Cache()

    def mistakes(self) -> Iterable[Finding]:
        if self.timeout < 1:
            yield Finding("timeout", "expected at least 1s")


class Lookup(Section):
    """``timeout`` is in seconds, for each identity store."""

    timeout: Duration = 10
    bulk: Bulk = Bulk()
    recursive: Recursive = Recursive()

    def mistakes(self) -> Iterable[Finding]:
        if self.timeout < 1:
            yield Finding("timeout", "expected at least 1s")
