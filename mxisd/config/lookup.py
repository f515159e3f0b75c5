"""``lookup``: who may have other servers asked, and which."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network

from .section import Section
from .values import BaseUrl, Cidr

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


class Recursive(Section):
    enabled: bool = True
    allowed_cidr: tuple[Cidr, ...] = PRIVATE
    bridge: Bridge = Bridge()


class Lookup(Section):
    bulk: Bulk = Bulk()
    recursive: Recursive = Recursive()
