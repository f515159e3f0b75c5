"""IP addresses: which may be connected to if a stranger chose the host name, and which are those of one client."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Written out, since ipaddress.is_global lets transitional, multicast and site-local addresses pass.
# IANA IPv4 Special-Purpose Address Registry, and multicast.
_PRIVATE_IPV4 = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
]
# All other IPv6 is loopback, local, multicast, unassigned, or wraps an IPv4 address.
_PUBLIC_IPV6 = IPv6Network("2000::/3")
# Protocol assignments (Teredo among them), documentation, 6to4, documentation.
_PRIVATE_IPV6 = [IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
_NAT64 = IPv6Network("64:ff9b::/96")

ANYWHERE: tuple[Network, ...] = (ip_network("0.0.0.0/0"), ip_network("::/0"))
"""What to allow a client that is used for addresses from the configuration only."""


def may_reach(address: Address, allowed: Iterable[Network]) -> bool:
    """Whether an address is public, or within a network that the administrator allowed."""
    address = _unwrapped(address)
    return _is_public(address) or any(address in network for network in allowed)


# Networks that anybody may use for machines of their own (RFC 1918, 6598, 3927, 4193, 4291).
INTERNAL: tuple[Network, ...] = tuple(
    ip_network(network)
    for network in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)


def is_within(address: str, networks: Iterable[Network]) -> bool:
    """Whether an address, given as text, is within any of the networks; what is no address is within none."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def usual_form(address: str) -> str:
    """An address as it is compared: sockets for both families show IPv4 as ``::ffff:192.0.2.1``.  ``ValueError``."""
    parsed = ip_address(address)
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def network_of_client(address: str) -> str:
    """What one client has: a single IPv4 address, or a /64 of IPv6, in which everybody has as many as they like."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    # As a number it has no zone ("%eth0"), of which there are as many as somebody makes up.
    return str(IPv6Network((int(parsed), 64), strict=False)) if isinstance(parsed, IPv6Address) else address


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where the system or the network would translate it."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _PRIVATE_IPV4)
    return address in _PUBLIC_IPV6 and not any(address in network for network in _PRIVATE_IPV6)
