"""``server``: where mxisd listens, and what it is called."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network

from msgspec.structs import replace

from .section import Finding, Section
from .values import BaseUrl, Cidr, Endpoint, Port, ServerName

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class Server(Section):
    name: ServerName = ""
    port: Port = 8090
    public_url: BaseUrl = ""
    hostname: str = ""
    bind: tuple[Endpoint, ...] = ()
    trusted_proxies: tuple[Cidr, ...] = LOOPBACK

    def mistakes(self) -> Iterable[Finding]:
        if any(character.isspace() for character in self.hostname):
            yield Finding("hostname", f"expected an address or the path of a socket, found {self.hostname!r}")

    def resolved(self, domain: str) -> Server:
        """With what follows from the domain, and from the other keys."""
        name = self.name or domain
        return replace(
            self,
            name=name,
            public_url=self.public_url or f"https://{name}",
            bind=self.bind or (self._endpoint(),),
        )

    def _endpoint(self) -> str:
        if self.hostname.startswith("/"):
            return f"unix:{self.hostname}"
        # Colons separate the arguments of an endpoint.
        interface = self.hostname.strip("[]").replace(":", r"\:")
        return f"tcp:{self.port}" + (f":interface={interface}" if interface else "")
