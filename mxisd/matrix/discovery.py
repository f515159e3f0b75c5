"""Where a server is (specification: server-server API, "Resolving server names")."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple, Protocol

import msgspec
from twisted.internet.interfaces import IReactorTime

from ..cache import Cache
from ..clock import Random
from ..log import Logger
from ..net.dns import DnsError, SrvRecord
from ..net.errors import NameUnknown, OutboundError
from ..net.http_client import Http, HttpResponse
from .ids import InvalidIdentifier, is_ip_literal, split_server_name

log = Logger()

DEFAULT_PORT = 8448
WELL_KNOWN_BYTES = 50 * 1024
WELL_KNOWN_TIMEOUT = 5.0
WELL_KNOWN_REDIRECTS = 5

_MINUTE, _HOUR = 60.0, 3600.0
_CACHED_SERVERS = 10_000
_MAX_AGE = re.compile(r'(?:^|[\s,])max-age="?([0-9]{1,10})', re.IGNORECASE)
_UNCACHED = re.compile(r"(?:^|[\s,])no-(?:store|cache)", re.IGNORECASE)


class Destination(NamedTuple):
    """
    A server as it is reached.

    ``host`` goes into URL and ``Host`` header, and its name or address must be that of the certificate.  ``targets``
    are the places, (host, port), to connect to: if one fails, the next.
    """

    host: str
    targets: tuple[tuple[str, int], ...]


class SrvResolver(Protocol):
    """What discovery wants from :class:`~mxisd.net.dns.Resolver`."""

    async def services(self, name: str) -> list[SrvRecord]: ...


class _WellKnown(msgspec.Struct):
    server: str = msgspec.field(name="m.server")


class _Delegation(NamedTuple):
    """To whom a name delegates, or how many times in a row it could not be had from it."""

    server: str | None
    failures: int = 0


class Discovery:
    """``random`` draws among SRV records by their weights."""

    def __init__(self, clock: IReactorTime, http: Http, dns: SrvResolver, random: Random) -> None:
        self._http = http
        self._dns = dns
        self._random = random
        self._delegations: Cache[str, _Delegation] = Cache(clock, _CACHED_SERVERS)

    async def resolve(self, server_name: str) -> Destination:
        """
        Where to send requests for a server.

        Raises :class:`~mxisd.matrix.ids.InvalidIdentifier` before anything is sent if it is no server name, and
        :class:`OutboundError` if its owner says that there is no server.
        """
        host, port = split_server_name(server_name)
        if port is None and not is_ip_literal(host):
            # The cache is shared by all spellings.
            delegation = await self._delegations.get(host.lower(), lambda past: self._fetch(host.lower(), past))
            if delegation.server is not None:
                server_name = delegation.server
                host, port = split_server_name(server_name)
        if port is None and not is_ip_literal(host):
            return Destination(host, await self._targets(host))
        return Destination(server_name, ((host.strip("[]"), port or DEFAULT_PORT),))

    async def _targets(self, host: str) -> tuple[tuple[str, int], ...]:
        for service in ("_matrix-fed._tcp", "_matrix._tcp"):
            try:
                records = await self._dns.services(f"{service}.{host}")
            except DnsError as error:
                log.info("Going on without the SRV records of {host}: {error}", host=host, error=error)
                continue
            if records:
                targets = tuple((record.target, record.port) for record in by_weight(records, self._random))
                if all(target == "" for target, _ in targets):
                    # RFC 2782: the root as target says that the service is decidedly not available.
                    raise NameUnknown(f"{host} has no Matrix server, by its SRV record")
                return targets
        return ((host, DEFAULT_PORT),)

    async def _fetch(self, host: str, past: _Delegation | None) -> tuple[_Delegation, float]:
        """Ask for ``.well-known``; return to whom it delegates, and for how many seconds that holds."""
        try:
            answer = await well_known(self._http, host, "server")
            if answer.status != 200:
                raise OutboundError(f"status {answer.status}")
            server = answer.decode(_WellKnown).server
            split_server_name(server)
        except (OutboundError, InvalidIdentifier) as error:
            log.debug("No delegation from {host}: {error}", host=host, error=error)
            failures = past.failures if past is not None else 0
            return _Delegation(None, failures + 1), min(_MINUTE * 2.0 ** min(failures, 10), _HOUR)
        return _Delegation(server), _freshness(answer.headers.get("cache-control", ""))


async def well_known(http: Http, host: str, name: str) -> HttpResponse:
    """What a host says at ``/.well-known/matrix/…``, whatever the status.  Raises :class:`OutboundError`."""
    return await http.request(
        "GET",
        f"https://{host}/.well-known/matrix/{name}",
        timeout=WELL_KNOWN_TIMEOUT,
        max_bytes=WELL_KNOWN_BYTES,
        redirects=WELL_KNOWN_REDIRECTS,
    )


def _freshness(cache_control: str) -> float:
    if _UNCACHED.search(cache_control):
        return 0
    if age := _MAX_AGE.search(cache_control):
        return min(float(age[1]), 48 * _HOUR)
    return 24 * _HOUR


def by_weight(records: Iterable[SrvRecord], random: Random) -> list[SrvRecord]:
    """The records by priority, and within one drawn by weight (RFC 2782, "Usage rules")."""
    ordered: list[SrvRecord] = []
    # Those of weight 0 first, so that they have a small chance too.
    left = sorted(records, key=lambda record: (record.priority, record.weight))
    while left:
        candidates = [record for record in left if record.priority == left[0].priority]
        drawn = int.from_bytes(random(4)) % (sum(record.weight for record in candidates) + 1)
        for record in candidates:
            drawn -= record.weight
            if drawn <= 0:
                break
        left.remove(record)
        ordered.append(record)
    return ordered
