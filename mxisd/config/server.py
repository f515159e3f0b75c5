"""``server``, ``outbound``, ``dns``, ``logging``, ``metrics``, ``internal``: mxisd in the network, and what it logs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated, Literal, get_args

from msgspec.structs import replace
from twisted.internet.endpoints import quoteStringArgument

from ..masking import masked
from .engine.hosts import (
    SERVER_NAME,
    Cidr,
    Endpoint,
    HostAndPort,
    ListeningHost,
    NameServer,
    Port,
    PublicUrl,
    client_overwrite,
    overwrite,
)
from .engine.section import Finding, Section, Told, Unfit, Value
from .engine.values import ExistingFile, Positive, ServerName, Text, duration, within

# On IPv6, and thereby on IPv4 too; mxisd.listening falls back on machines that have no such thing.
EVERYWHERE = quoteStringArgument("::")
METRICS = ("tcp:8091:interface=127.0.0.1",)
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def _time(text: str) -> timedelta:
    time = duration(text)
    if not time:
        raise Unfit("a duration of at least 1s")
    return time


Bytes = Annotated[int, Value(within(1024, None, "a number of bytes"))]
Time = Annotated[timedelta, Value(_time)]


class Limits(Section):
    """``server.limits``: what clients may take of the HTTP server; sizes are in bytes."""

    request_line: Bytes = 8 * 1024
    head: Bytes = 32 * 1024
    header_fields: Positive = 100
    body: Bytes = 64 * 1024
    large_bodies: Bytes = 64 * 1024 * 1024
    head_timeout: Time = timedelta(seconds=10)
    body_timeout: Time = timedelta(minutes=1)
    idle_timeout: Time = timedelta(minutes=1)
    unread_timeout: Time = timedelta(minutes=1)
    connections: Positive = 1000
    connections_per_client: Positive = 100
    requests: Positive = 500


class Server(Section):
    """``server``: where mxisd listens, and what it is called."""

    name: ServerName = ""
    port: Port = 8090
    public_url: PublicUrl = ""
    hostname: ListeningHost = ""
    bind: tuple[Endpoint, ...] = ()
    trusted_proxies: tuple[Cidr, ...] = LOOPBACK
    limits: Limits = Limits()

    def resolved(self, domain: str) -> Server:
        """With what follows from the domain, and from the other keys."""
        name = self.name or domain
        return replace(
            self,
            name=name,
            public_url=self.public_url.replace(SERVER_NAME, name) or f"https://{name}",
            bind=self.bind or (self._endpoint(),),
        )

    def _endpoint(self) -> str:
        host = quoteStringArgument(self.hostname)
        if host.startswith("/"):
            return f"unix:{host}"
        return f"tcp:{self.port}:interface={host or EVERYWHERE}"


class Outbound(Section):
    """``outbound``: where mxisd itself may connect to."""

    allowed_networks: tuple[Cidr, ...] = ()
    ca_file: ExistingFile | None = None
    insecure_servers: tuple[HostAndPort, ...] = ()
    nameservers: tuple[NameServer, ...] = ()

    def cautions(self) -> Iterable[Finding]:
        if self.insecure_servers:
            servers = ", ".join(map(str, self.insecure_servers))
            yield Finding("insecureServers", f"certificates are not verified of {servers}")


class DnsEntry(Section):
    name: Text
    value: Annotated[str, Value(client_overwrite)]


class FederationEntry(Section):
    name: Text
    value: Annotated[str, Value(overwrite)]


class HomeserverOverwrites(Section):
    client: tuple[DnsEntry, ...] = ()
    federation: tuple[FederationEntry, ...] = ()


class DnsOverwrite(Section):
    homeserver: HomeserverOverwrites = HomeserverOverwrites()


class Dns(Section):
    """``dns``: where homeservers are reached, in place of what DNS says."""

    overwrite: DnsOverwrite = DnsOverwrite()


LevelName = Literal["trace", "debug", "info", "warn", "error", "off"]
_LEVELS: tuple[str, ...] = get_args(LevelName)


def log_level(text: str) -> str:
    """The level that a word names; info for any other, as in ma1sd."""
    return text.lower() if text.lower() in _LEVELS else "info"


def _level(text: str) -> object:
    if text.lower() in _LEVELS:
        return text.lower()
    return Told("info", f"{masked(text)} is none of {', '.join(_LEVELS)}: info, as in ma1sd")


Level = Annotated[LevelName, Value(_level)]


class Logging(Section):
    """``logging``: how much is logged, and how it is written."""

    root: Level = "warn"
    app: Level = "info"
    format: Literal["text", "json"] = "text"
    requests: bool = False


# Who can reach these is on this machine, and a folder's rights say who.
_ON_THIS_MACHINE = re.compile(r"unix:|.*:interface=(127\.[0-9.]+|\\:\\:1|localhost)(:|$)")


class Metrics(Section):
    """``metrics``: where programs ask for health and numbers; :data:`METRICS` if ``bind`` is not set."""

    enabled: bool = True
    bind: tuple[Endpoint, ...] = ()


class Internal(Section):
    """``internal``: where homeservers bind and unbind addresses that they have validated themselves."""

    enabled: bool = False
    bind: tuple[Endpoint, ...] = ()

    def cautions(self) -> Iterable[Finding]:
        # An old file that has it must not open something that was not there.
        if self.enabled:
            yield Finding("enabled", "without effect: ma1sd's lists of invites are not here")
        for endpoint in self.bind:
            if not _ON_THIS_MACHINE.match(endpoint):
                yield Finding("bind", f"whoever reaches {endpoint} can bind any address to any user")
