"""``lookup``, ``forward``, ``hashing``: how addresses are looked up, here and at other servers, and who may ask."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from datetime import timedelta
from ipaddress import ip_network
from itertools import takewhile
from typing import Annotated, Literal

from .engine.hosts import BaseUrl, CidrAround, Url
from .engine.section import Finding, Secret, Section, Value
from .engine.values import Duration, Positive, ServerName, within

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
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

    def unused(self) -> Iterable[str]:
        return () if self.enabled else ("",)

    def mistakes(self) -> Iterable[Finding]:
        if self.enabled and not self.server and not self.mappings:
            yield Finding("server", "required: expected the URL of the bridge, here or in mappings")


class Federation(Section):
    """``allow`` and ``deny`` are domains, each with those below it; all are allowed if none is."""

    enabled: bool = True
    allow: tuple[ServerName, ...] = ()
    deny: tuple[ServerName, ...] = ()


class Cache(Section):
    """How long answers of other servers are good for."""

    found: Duration = timedelta(minutes=5)
    missed: Duration = timedelta(minutes=1)


class Recursive(Section):
    """``timeout`` is for each server."""

    enabled: bool = True
    timeout: Duration = timedelta(seconds=10)
    allowed_cidr: tuple[CidrAround, ...] = PRIVATE
    bridge: Bridge = Bridge()
    federation: Federation = Federation()
    cache: Cache = Cache()

    @property
    def asks_bridge(self) -> bool:
        """Whether a bridge is asked at all, which one that is ``recursive_only`` is not without recursion."""
        return self.bridge.enabled and (self.enabled or not self.bridge.recursive_only)

    def unused(self) -> Iterable[str]:
        if not self.enabled:
            yield "allowedCidr"
            if self.bridge.recursive_only:
                yield "bridge"

    def mistakes(self) -> Iterable[Finding]:
        if self.timeout < SECOND:
            yield Finding("timeout", "expected at least 1s")


class Lookup(Section):
    """``lookup``: who may have other servers asked, and which; ``timeout`` is for each identity store."""

    timeout: Duration = timedelta(seconds=10)
    bulk: Bulk = Bulk()
    recursive: Recursive = Recursive()

    def mistakes(self) -> Iterable[Finding]:
        if self.timeout < SECOND:
            yield Finding("timeout", "expected at least 1s")


class ForwardAccount(Section):
    """
    The user of a homeserver as whom we register at these identity servers.

    ``homeserver``: ``None`` is ``matrix.homeserver.url``.  ``accepted_terms`` are the URLs of their terms.
    """

    access_token: Secret | None = None
    homeserver: BaseUrl | None = None
    accepted_terms: tuple[Url, ...] = ()


class Forward(Section):
    """``forward``: labels of ``matrix.identity.servers``, which are asked about what is known nowhere else."""

    servers: tuple[str, ...] = ()
    account: ForwardAccount = ForwardAccount()

    def asked(self, known: Container[str]) -> tuple[str, ...]:
        """Those of the labels that are asked: up to one that is not known, at which lookups failed in mxisd."""
        return tuple(takewhile(known.__contains__, self.servers))


class Hashing(Section):
    """
    ``hashing``: lookups of hashed addresses.

    ma1sd's ``rotation_policy``, ``delay`` and ``requests`` count if ``rotation`` is not set.
    """

    enabled: bool = True
    pepper_length: Annotated[int, Value(within(1, 255))] = 20
    rotation_policy: Literal["per_requests", "per_seconds"] | None = None
    hash_storage_type: Literal["in_memory", "sql"] = "in_memory"
    delay: Duration = timedelta(seconds=10)
    requests: Positive = 10
    algorithms: tuple[Literal["sha256", "none"], ...] = ()
    refresh: Duration = timedelta(minutes=10)
    rotation: Duration | None = None

    @property
    def understood(self) -> tuple[str, ...]:
        """The algorithms to look up with."""
        return self.algorithms or ("sha256", "none") if self.enabled else ("none",)

    @property
    def time_per_pepper(self) -> timedelta | None:
        """After how long there is a new pepper; ``None`` for never."""
        if self.rotation is not None:
            return self.rotation or None
        return {"per_seconds": self.delay, "per_requests": None, None: DAY}[self.rotation_policy]

    @property
    def lookups_per_pepper(self) -> int | None:
        """After how many lookups there is a new pepper; ``None`` if they are not counted."""
        return self.requests if self.rotation is None and self.rotation_policy == "per_requests" else None

    @property
    def interval(self) -> timedelta:
        """How often to see what is to be done."""
        return min(self.refresh, self.time_per_pepper or self.refresh)

    def unused(self) -> Iterable[str]:
        if not self.enabled:
            yield ""
        if self.rotation_policy != "per_seconds":
            yield "delay"
        if self.rotation_policy != "per_requests":
            yield "requests"

    def mistakes(self) -> Iterable[Finding]:
        if self.refresh < SECOND:
            yield Finding("refresh", "expected at least 1s")
        if self.rotation_policy == "per_seconds" and self.delay < SECOND:
            yield Finding("delay", "expected at least 1s")

    def cautions(self) -> Iterable[Finding]:
        if self.hash_storage_type == "sql":
            yield Finding("hashStorageType", "has no effect: hashes are kept in storage.backend")
        if "sha256" not in self.understood:
            yield Finding("enabled" if not self.enabled else "algorithms", "clients send addresses in the clear")
