"""Puts lookups together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

from twisted.internet.interfaces import IReactorTime
from twisted.logger import LogLevel

from ..config import Config
from ..core import Core
from ..matrix.openid import request_token
from ..net.http_client import Http
from ..services import PeriodicService
from .bridge import Bridge, OneByOne
from .cached import Answers, Cached
from .chain import Lookup
from .circuit_breaker import CircuitBreaker
from .discovery import IdentityServers
from .federation import Domains, FederationSource
from .forward import ForwardServer
from .hashed import HashedLookup
from .index import HashIndex
from .invited import INVITED, Invited
from .recursion import Recursion
from .single_flight import SingleFlight
from .source import Listing, Source
from .v1 import V1
from .v2 import V2

# For a store to look up a batch of pending invites.
PENDING_TIMEOUT = timedelta(seconds=30)


class Lookups(NamedTuple):
    """Lookups for those who want to know who is behind an address."""

    recursion: Recursion
    """For requests: by who asks."""
    for_us: Lookup
    """For administrators, who ask about invites."""
    private: Lookup
    """Asks only what is the administrator's own: an address of a login is not for others to know."""
    pending: tuple[Source, ...]
    """What is asked about the addresses of pending invites, a thousand at a time."""
    hashed: HashedLookup


def build(core: Core, stores: Sequence[Source], listings: Sequence[tuple[str, Listing]]) -> Lookups:
    """
    The chains of sources that the configuration describes, and the index of hashed addresses.

    ``stores`` are the identity stores as sources, ``listings`` those whose users are to be found by hash.
    """
    config, reactor = core.config, core.reactor
    sources = build_sources(core, stores)
    recursive = config.lookup.recursive

    def lookup(asked: Sequence[Source]) -> Lookup:
        return Lookup(core.storage.bindings, asked, core.signer, reactor)

    here, everywhere = lookup(sources.here), lookup(sources.everywhere)
    # A thousand addresses at a time take longer than those that somebody waits for.
    own = [CircuitBreaker(store, reactor, PENDING_TIMEOUT) for store in stores]
    resolution = config.invite.resolution
    others = [source for source in sources.everywhere if not source.local and resolution.recursive]
    return Lookups(
        recursion=Recursion(here, everywhere, recursive.allowed_cidr if recursive.enabled else ()),
        for_us=everywhere if resolution.recursive else here,
        private=lookup([source for source in sources.here if source.local]),
        pending=(*own, *others),
        hashed=_hashed(core, [*listings, (INVITED, Invited(core.storage.invites, own))]),
    )


def _hashed(core: Core, listings: Sequence[tuple[str, Listing]]) -> HashedLookup:
    config, storage = core.config.hashing, core.storage
    index = HashIndex(
        storage.hashes,
        storage.cooldowns,
        listings if "sha256" in config.understood else [],
        core.in_thread,
        core.reactor,
        core.random,
        config.pepper_length,
        config.interval,
        config.time_per_pepper,
        config.lookups_per_pepper,
    )
    core.run(PeriodicService("refresh of hashes", index.tick, config.interval, core.reactor))
    bulk = core.config.lookup.bulk.enabled
    return HashedLookup(storage.hashes, index, [name for name in config.understood if bulk or name != "none"])


class Sources(NamedTuple):
    """What can be asked, in order."""

    here: tuple[Source, ...]
    """On behalf of everybody."""
    everywhere: tuple[Source, ...]
    """On behalf of those for whom other servers may be asked."""


def build_sources(core: Core, stores: Iterable[Source]) -> Sources:
    """The identity stores, and the servers that the configuration has us ask."""
    config, clock = core.config, core.reactor
    recursive = config.lookup.recursive
    answers = Answers(clock, recursive.cache.found, recursive.cache.missed)

    def remote(source: Source, level: LogLevel = LogLevel.warn, counted_as: str | None = None) -> Source:
        breaker = CircuitBreaker(source, clock, recursive.timeout, level, counted_as)
        return Cached(SingleFlight(breaker), answers)

    own = [SingleFlight(CircuitBreaker(store, clock, config.lookup.timeout)) for store in stores]
    v1 = V1(core.admin_http, clock)
    others = [remote(server) for server in _forward_servers(config, core.admin_http, v1, clock)]
    if recursive.federation.enabled:
        # Which domains there are is up to strangers: that one fails is no concern of the administrator's.
        others.insert(0, _federation(core, partial(remote, level=LogLevel.info, counted_as="federation")))
    bridges = []
    if recursive.asks_bridge:
        bridge = Bridge(v1, recursive.bridge.server, recursive.bridge.mappings)
        bridges.append(OneByOne(remote(bridge), clock, recursive.timeout))
    return Sources(
        here=(*own, *([] if recursive.bridge.recursive_only else bridges)), everywhere=(*own, *others, *bridges)
    )


def _federation(core: Core, guard: Callable[[Source], Source]) -> Source:
    config, http = core.config, core.untrusted_http
    federation, timeout = config.lookup.recursive.federation, config.lookup.recursive.timeout
    ours = [config.matrix.domain, config.server.name, urlsplit(config.server.public_url).hostname or ""]
    domains = Domains(ours, federation.allow, federation.deny)
    servers = IdentityServers(core.reactor, http, core.resolver, core.random)
    return FederationSource(domains, servers, V1(http, core.reactor), guard, core.reactor, timeout)


def _forward_servers(config: Config, http: Http, v1: V1, clock: IReactorTime) -> Iterator[Source]:
    account = config.forward.account
    homeserver = account.homeserver or config.matrix.homeserver.url
    for url in config.forwards_to:
        v2 = None
        if account.access_token is not None and homeserver is not None:
            open_id = partial(request_token, http, homeserver, account.access_token)
            v2 = V2(http, url, open_id, account.accepted_terms)
        yield ForwardServer(url, v1, v2, clock)
