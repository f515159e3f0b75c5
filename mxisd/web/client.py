"""Who is at the other end of a request, through the proxies that are trusted to say so."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from ipaddress import ip_address

from twisted.internet.address import UNIXAddress
from twisted.web.server import Request

from ..net.networks import Network

# Addresses of which it is known what they are: each lookup wants to know that of its client.
_REMEMBERED = 1000


class Clients:
    """
    Tells clients from proxies.

    Only what a trusted proxy adds to ``X-Forwarded-For`` counts: the addresses before that are anybody's claim.  Who
    may connect to a Unix socket is trusted.
    """

    def __init__(self, trusted_proxies: Collection[Network]) -> None:
        self._trusted = trusted_proxies
        self._is_trusted = lru_cache(_REMEMBERED)(self._judge)

    def address(self, request: Request) -> str:
        """The IP address of the client, or of the last proxy that can be told; empty behind a Unix socket."""
        at = self._peer(request)
        claims = request.requestHeaders.getRawHeaders(b"x-forwarded-for")
        if not claims:
            return at
        for claim in reversed(b",".join(claims).decode("latin-1").split(",")):
            if not self._is_trusted(at):
                break
            try:
                at = _read(claim.strip())
            except ValueError:
                break
        return at

    def scheme(self, request: Request) -> bytes:
        """``http`` or ``https``, as the client wrote it."""
        if self._is_trusted(self._peer(request)):
            told = request.getHeader(b"x-forwarded-proto")
            if told in (b"http", b"https"):
                return told
        return b"https" if request.isSecure() else b"http"

    def _peer(self, request: Request) -> str:
        peer = request.getClientAddress()
        return "" if isinstance(peer, UNIXAddress) else _read(str(peer.host))

    def _judge(self, address: str) -> bool:
        return not address or any(ip_address(address) in network for network in self._trusted)


@lru_cache(_REMEMBERED)
def _read(address: str) -> str:
    """An IP address in its usual form: sockets for both families show IPv4 as ``::ffff:192.0.2.1``."""
    parsed = ip_address(address)
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
