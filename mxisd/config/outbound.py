"""``outbound``: where mxisd itself may connect to."""

from __future__ import annotations

from collections.abc import Iterable

from .engine.section import Finding, Section
from .engine.values import Cidr, ExistingFile, NameServer, ServerName


class Outbound(Section):
    allowed_networks: tuple[Cidr, ...] = ()
    ca_file: ExistingFile | None = None
    insecure_servers: tuple[ServerName, ...] = ()
    nameservers: tuple[NameServer, ...] = ()

    def cautions(self) -> Iterable[Finding]:
        if self.insecure_servers:
            yield Finding("insecureServers", f"certificates are not verified of {', '.join(self.insecure_servers)}")
