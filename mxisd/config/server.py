"""``server``: where mxisd listens, and what it is called."""

from __future__ import annotations

from ipaddress import ip_network

from msgspec.structs import replace
from twisted.internet.endpoints import quoteStringArgument

from .engine.section import Section
from .engine.values import BaseUrl, Cidr, Endpoint, ListeningHost, Port, ServerName

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class Server(Section):
    name: ServerName = ""
    port: Port = 8090
    public_url: BaseUrl = ""
    hostname: ListeningHost = ""
    bind: tuple[Endpoint, ...] = ()
    trusted_proxies: tuple[Cidr, ...] = LOOPBACK

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
        host = quoteStringArgument(self.hostname)
        if host.startswith("/"):
            return f"unix:{host}"
        return f"tcp:{self.port}:interface={host}" if host else f"tcp:{self.port}"
