"""Finds the identity server that is responsible for the addresses of a domain."""

from __future__ import annotations

from urllib.parse import urlsplit

from msgspec import Struct, field
from twisted.internet.interfaces import IReactorTime

from ..cache import Cache
from ..clock import Random
from ..log import Logger
from ..matrix.discovery import SrvResolver, by_weight, well_known
from ..matrix.ids import InvalidIdentifier, split_server_name
from ..net.dns import DnsError
from ..net.errors import OutboundError
from ..net.http_client import Http

log = Logger()

# More places than these say nothing that the first ones did not.
MAX_SERVERS = 3

_CACHED_DOMAINS = 10_000
# Seconds that a result is cached: found, not found, and could not be asked.
_KNOWN = 3600.0
_FAILED = 300.0


class _IdentityServer(Struct):
    base_url: str


class _WellKnown(Struct):
    identity_server: _IdentityServer | None = field(default=None, name="m.identity_server")


class IdentityServers:
    """
    Finds them: by SRV records ``_matrix-identity._tcp``, else by ``/.well-known/matrix/client``.

    ``random`` draws among SRV records by their weights.
    """

    def __init__(self, clock: IReactorTime, http: Http, dns: SrvResolver, random: Random) -> None:
        self._http = http
        self._dns = dns
        self._random = random
        self._known: Cache[str, tuple[str, ...]] = Cache(clock, _CACHED_DOMAINS)

    async def of(self, domain: str) -> tuple[str, ...]:
        """The base URLs of the identity server of a domain, the first to be tried first; none if it has none."""
        return await self._known.get(domain, lambda _: self._find(domain))

    async def _find(self, domain: str) -> tuple[tuple[str, ...], float]:
        try:
            records = await self._dns.services(f"_matrix-identity._tcp.{domain}")
            if not records:
                return await self._by_well_known(domain), _KNOWN
        except (DnsError, OutboundError) as error:
            log.debug("the identity server of {domain} cannot be found: {error}", domain=domain, error=error)
            return (), _FAILED
        # The root as target says that there is decidedly none (RFC 2782).
        places = [f"{record.target}:{record.port}" for record in by_weight(records, self._random) if record.target]
        return tuple(f"https://{place}" for place in places if _is_server(place))[:MAX_SERVERS], _KNOWN

    async def _by_well_known(self, domain: str) -> tuple[str, ...]:
        answer = await well_known(self._http, domain, "client")
        server = answer.decode(_WellKnown).identity_server if answer.status == 200 else None
        if server is None:
            return ()
        url = server.base_url.rstrip("/")
        return (url,) if url.startswith("https://") and _is_server(urlsplit(url).netloc) else ()


def _is_server(place: str) -> bool:
    try:
        split_server_name(place)
    except InvalidIdentifier:
        return False
    return True
