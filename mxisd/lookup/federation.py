"""Asks the identity servers that the domains of email addresses name (``lookup.recursive.federation``)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from urllib.parse import urlsplit

from twisted.internet.interfaces import IReactorTime

from ..matrix.ids import MAX_SERVER_NAME, InvalidIdentifier, is_ip_literal, split_server_name
from ..matrix.threepid import EMAIL, ThreePid, a_labels
from ..net.errors import AddressRefused, ConnectionFailed, NameUnknown, TlsFailed
from .discovery import IdentityServers
from .source import Source, ask_each
from .v1 import V1

# So many domains are asked at once, and remembered for how well that went.
AT_ONCE = 16
# For one lookup: an address book has fewer, and each is looked for in DNS at the cost of its owner's.
MOST = 200
REMEMBERED = 1000
# RFC 1035, 2.3.4.
_MAX_LABEL = 63


class Domains:
    """
    Which domains may be asked.

    A domain stands for itself and for those below it.  Who is allowed: ``allow``, or all if that is empty, but never
    ``deny``, nor ``ours``, of whose users we know ourselves.
    """

    def __init__(self, ours: Collection[str], allow: Collection[str] = (), deny: Collection[str] = ()) -> None:
        self._ours = frozenset(map(str.lower, ours))
        self._allow = tuple(map(a_labels, allow))
        self._deny = tuple(map(a_labels, deny))

    def may_be_asked(self, domain: str) -> bool:
        """Whether addresses of a domain may be told to its identity server."""
        return self.may_answer(domain) and (not self._allow or _is_within(domain, self._allow))

    def may_answer(self, host: str) -> bool:
        """Whether an identity server may be asked, whatever domain named it."""
        return host not in self._ours and not _is_within(host, self._deny)


def _is_within(domain: str, zones: Collection[str]) -> bool:
    return any(domain == zone or domain.endswith(f".{zone}") for zone in zones)


class FederationSource:
    """
    Asks each domain about its own addresses, for as long as there is time; of many, those with the most addresses.

    ``guard`` is put around what asks a single domain: a domain that fails is none of the others' business.
    """

    name = "federation"
    local = False

    def __init__(
        self,
        domains: Domains,
        servers: IdentityServers,
        v1: V1,
        guard: Callable[[Source], Source],
        clock: IReactorTime,
        timeout: timedelta,
    ) -> None:
        self._domains = domains
        self._clock = clock
        self._seconds = timeout.total_seconds()
        self._source = lru_cache(REMEMBERED)(lambda domain: guard(_Domain(domain, domains, servers, v1)))

    async def lookup(self, threepids: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        by_domain: dict[str, list[ThreePid]] = {}
        for threepid in threepids:
            domain = _domain_of(threepid)
            if domain is not None and self._domains.may_be_asked(domain):
                by_domain.setdefault(domain, []).append(threepid)
        if len(by_domain) > MOST:
            largest = sorted(by_domain.items(), key=lambda entry: len(entry[1]), reverse=True)
            by_domain = dict(largest[:MOST])
        questions = ((self._source(domain), addresses) for domain, addresses in by_domain.items())
        return await ask_each(questions, AT_ONCE, self._seconds, self._clock)


class _Domain:
    """One domain, as a source about its addresses."""

    local = False

    def __init__(self, domain: str, domains: Domains, servers: IdentityServers, v1: V1) -> None:
        self.name = f"the identity server of {domain}"
        self._domain = domain
        self._domains = domains
        self._servers = servers
        self._v1 = v1

    async def lookup(self, threepids: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        """Raises :class:`~mxisd.net.errors.OutboundError`."""
        failure = None
        for url in await self._servers.of(self._domain):
            if not self._domains.may_answer(urlsplit(url).hostname or ""):
                continue
            try:
                return await self._v1.lookup(url, threepids)
            except (ConnectionFailed, NameUnknown, AddressRefused, TlsFailed) as error:
                failure = error
        if failure is not None:
            raise failure
        return {}


def _domain_of(threepid: ThreePid) -> str | None:
    """The domain of an email address, as DNS has it; ``None`` for what is none, and for IP addresses."""
    if threepid.medium != EMAIL:
        return None
    domain = a_labels(threepid.address.rpartition("@")[2])
    if not domain.isascii() or len(domain) > MAX_SERVER_NAME:
        return None
    if not all(0 < len(label) <= _MAX_LABEL for label in domain.split(".")):
        return None
    try:
        host, port = split_server_name(domain)
    except InvalidIdentifier:
        return None
    return None if port is not None or is_ip_literal(host) else domain
