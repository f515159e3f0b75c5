"""The IP address of a client, through the proxies that are trusted to name it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from functools import lru_cache
from ipaddress import ip_address, ip_network

from twisted.internet.address import UNIXAddress

from ..log import Logger, Origin
from ..matrix.error import MatrixError
from ..net.http_server import HttpRequest
from ..net.networks import INTERNAL, Network, is_within, usual_form

log = Logger()

# Addresses of which it is known what they are: each lookup wants to know that of its client.
_REMEMBERED = 1000

STRANGER = "unknown"
"""In place of an address that is not known; it is within no network."""

# What proxies write for one hop: an address, in brackets or not, with a port or not, and in the form of RFC 7239 too.
_FOR = re.compile(r'(?:.*;)?\s*for\s*=\s*("[^"]*"|[^;]*)(?:;.*)?', re.IGNORECASE)
_BRACKETS = re.compile(r"\[([^\]]*)\](?::[0-9]{1,5})?")
_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}")

_read = lru_cache(_REMEMBERED)(usual_form)


class Clients:
    """
    Tells clients from proxies.

    Only what a trusted proxy adds to ``X-Forwarded-For`` (or to ``Forwarded``, RFC 7239, if there is no other) counts:
    the addresses before that are anybody's claim.  Who may connect to a Unix socket is trusted.
    """

    def __init__(self, trusted_proxies: Collection[Network]) -> None:
        self._trusted = trusted_proxies
        self._is_trusted = lru_cache(_REMEMBERED)(self._judge)
        self._warned = False

    def address(self, request: HttpRequest) -> str:
        """
        The IP address of the client; empty behind a Unix socket.

        It is :data:`STRANGER` where a trusted proxy wrote what cannot be read as an address, and where a private
        address that is not trusted passes claims on: that is most likely a proxy that the configuration does not
        name, with the whole internet behind it.
        """
        at = self._peer(request)
        claims = _claims(request)
        while claims:
            if not self._is_trusted(at):
                return self._unnamed_proxy(at) if is_within(at, INTERNAL) else at
            at = _claimed(claims.pop())
        return at

    def network(self, request: HttpRequest) -> str:
        """Where the client is, no closer than is needed to see that it is the same one: a /24, of IPv6 a /64."""
        address = self.address(request)
        try:
            parsed = ip_address(address)
        except ValueError:
            return address or "a Unix socket"
        return str(ip_network((parsed, 24 if parsed.version == 4 else 64), strict=False))

    def require(self, request: HttpRequest, allowed: Collection[Network], key: str) -> None:
        """Raise :class:`MatrixError` 403 for clients in none of the networks, which are those of a key."""
        address = self.address(request)
        # Without an address it came by a Unix socket.
        if address and not is_within(address, allowed):
            log.warn("{address} may not ask {path}: see {key}", address=address, path=request.path.decode(), key=key)
            raise MatrixError(403, "M_FORBIDDEN", "This is not answered to this address")

    def scheme(self, request: HttpRequest) -> bytes:
        """``http`` or ``https``, as the client wrote it."""
        if self._is_trusted(self._peer(request)):
            told = request.getHeader(b"x-forwarded-proto")
            if told in (b"http", b"https"):
                return told
        return b"https" if request.isSecure() else b"http"

    def _peer(self, request: HttpRequest) -> str:
        peer = request.getClientAddress()
        return "" if isinstance(peer, UNIXAddress) else _read(str(peer.host))

    def _judge(self, address: str) -> bool:
        return not address or is_within(address, self._trusted)

    def _unnamed_proxy(self, address: str) -> str:
        if not self._warned:
            self._warned = True
            log.warn(
                "{address} sends X-Forwarded-For and is not in server.trustedProxies: whoever comes by it is treated as"
                " a stranger. Name it there if it is a reverse proxy of yours",
                address=address,
            )
        return STRANGER


NO_PROXIES = Clients(())
"""Where nobody stands in front."""


class RequestOrigin:
    """What the log tells of a request; worked out only if something is logged."""

    __slots__ = ("_clients", "_known", "_request")

    def __init__(self, request: HttpRequest, clients: Clients) -> None:
        self._request = request
        self._clients = clients
        self._known: Origin | None = None

    def __call__(self) -> Origin:
        if self._known is None:
            self._known = Origin(secrets.token_hex(4), self._clients.network(self._request))
        return self._known


def _claims(request: HttpRequest) -> list[str]:
    """What is said about the way of a request, the part that was added last at the end."""
    for name in (b"x-forwarded-for", b"forwarded"):
        if request.getHeader(name) is not None:
            lines = request.requestHeaders.getRawHeaders(name) or []
            return b",".join(lines).decode("latin-1").split(",")
    return []


@lru_cache(_REMEMBERED)
def _claimed(claim: str) -> str:
    """The address in what a proxy wrote of a hop, or :data:`STRANGER`."""
    text = claim.strip()
    if named := _FOR.fullmatch(text):
        text = named[1].strip()
    text = text.removeprefix('"').removesuffix('"').strip()
    if port := _BRACKETS.fullmatch(text) or _PORT.fullmatch(text):
        text = port[1]
    try:
        return _read(text)
    except ValueError:
        return STRANGER
