"""Resolves names to addresses and services, by the hosts file and DNS, with a timeout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.names import dns
from twisted.names.client import Resolver as Client
from twisted.names.error import DNSNameError
from twisted.names.hosts import searchFileForAll
from twisted.python.filepath import FilePath

from ..cache import Cache
from ..waiting import gather
from .networks import Address

# Seconds until a name server is asked again, and at last given up.  The library's own add up to a minute.
_TIMEOUTS = (1, 2, 3)
_MAX_TTL = 300
_NOTHING_TTL = 30
_CACHED_NAMES = 10_000


class DnsError(Exception):
    """A name that leads nowhere; ``retryable`` tells whether that may be the name server's fault."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


Query = Callable[[bytes], Deferred[Any]]


class SrvRecord(NamedTuple):
    """An SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


class Resolver:
    """
    Asks ``nameservers``, as (address, port), or those in ``/etc/resolv.conf`` if none are given.

    ``hosts`` comes before DNS, as on most systems.
    """

    def __init__(
        self, reactor: IReactorTime, nameservers: Sequence[tuple[str, int]] = (), hosts: str = "/etc/hosts"
    ) -> None:
        self._client = Client(
            resolv=None if nameservers else "/etc/resolv.conf",
            servers=list(nameservers),
            timeout=_TIMEOUTS,
            reactor=reactor,
        )
        self._hosts: FilePath[str] = FilePath(hosts)
        self._cache: Cache[tuple[int, str], list[Any]] = Cache(reactor, _CACHED_NAMES)

    async def addresses(self, host: str) -> list[Address]:
        """The addresses of a host, or the one that it is.  Raises :class:`DnsError`."""
        try:
            return [ip_address(host)]
        except ValueError:
            name = _checked(host)
        if local := searchFileForAll(self._hosts, name.encode("ascii")):
            return [ip_address(address) for address in local]
        found = await gather(
            [
                self._attempt(self._client.lookupIPV6Address, dns.AAAA, name),
                self._attempt(self._client.lookupAddress, dns.A, name),
            ]
        )
        # One family is enough: some name servers fail for the other.
        records = [record for each in found if not isinstance(each, DnsError) for record in each]
        if not records:
            errors = [each for each in found if isinstance(each, DnsError)]
            raise errors[0] if errors else DnsError(f"{host} has no address in DNS", retryable=False)
        return [ip_address(record.address) for record in records]

    async def services(self, name: str) -> list[SrvRecord]:
        """The SRV records of a name, in no order; none if it has none.  Raises :class:`DnsError`."""
        return [
            SrvRecord(record.priority, record.weight, record.port, record.target.name.decode("ascii", "replace"))
            for record in await self._lookup(self._client.lookupService, dns.SRV, _checked(name))
        ]

    async def _attempt(self, query: Query, kind: int, name: str) -> list[Any] | DnsError:
        try:
            return await self._lookup(query, kind, name)
        except DnsError as error:
            return error

    async def _lookup(self, query: Query, kind: int, name: str) -> list[Any]:
        """The records of one kind, aliases followed by the name server."""

        async def load(_: list[Any] | None) -> tuple[list[Any], float]:
            try:
                answers, _authority, _additional = await query(name.encode("ascii"))
            except DNSNameError:
                answers = []
            except Exception as error:
                raise DnsError(f"no answer from DNS about {name}: {type(error).__name__}", retryable=True) from error
            found = [answer for answer in answers if answer.type == kind]
            ttl = min((answer.ttl for answer in found), default=_NOTHING_TTL)
            return [answer.payload for answer in found], min(ttl, _MAX_TTL)

        return await self._cache.get((kind, name), load)


def _checked(name: str) -> str:
    """A name that DNS can hold: the library would send a longer label as something else."""
    name = name.removesuffix(".").lower()
    if len(name) > 253 or not all(0 < len(label) < 64 and label.isascii() for label in name.split(".")):
        raise DnsError(f"{name!r} is not a DNS name", retryable=False)
    return name
