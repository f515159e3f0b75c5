"""What a configuration says is to be asked about addresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

from twisted.internet.interfaces import IReactorTime
from twisted.logger import LogLevel

from ..clock import Random
from ..config import Config
from ..matrix.discovery import SrvResolver
from ..matrix.openid import request_token
from ..net.http_client import Http
from .bridge import Bridge, OneByOne
from .cached import Answers, Cached
from .circuit_breaker import CircuitBreaker
from .discovery import IdentityServers
from .federation import Domains, FederationSource
from .forward import ForwardServer
from .single_flight import SingleFlight
from .source import Source
from .v1 import V1
from .v2 import V2


class Sources(NamedTuple):
    """What can be asked, in order."""

    here: tuple[Source, ...]
    """On behalf of everybody."""
    everywhere: tuple[Source, ...]
    """On behalf of those for whom other servers may be asked."""


def build_sources(
    config: Config,
    stores: Iterable[Source],
    outbound: Http,
    trusted: Http,
    dns: SrvResolver,
    clock: IReactorTime,
    random: Random,
) -> Sources:
    """
    The identity stores, and the servers that the configuration has us ask.

    ``outbound`` is for servers that strangers name, ``trusted`` for those that the administrator does.
    """
    recursive = config.lookup.recursive
    answers = Answers(clock, recursive.cache.found, recursive.cache.missed)

    def remote(source: Source, level: LogLevel = LogLevel.warn) -> Source:
        return Cached(SingleFlight(CircuitBreaker(source, clock, recursive.timeout, level)), answers)

    own = [SingleFlight(CircuitBreaker(store, clock, config.lookup.timeout)) for store in stores]
    others: list[Source] = []
    if recursive.federation.enabled:
        ours = [config.matrix.domain, config.server.name, urlsplit(config.server.public_url).hostname or ""]
        domains = Domains(ours, recursive.federation.allow, recursive.federation.deny)
        servers = IdentityServers(clock, outbound, dns, random)
        # Which domains there are is up to strangers: that one fails is no concern of the administrator's.
        guard = partial(remote, level=LogLevel.info)
        others.append(FederationSource(domains, servers, V1(outbound, clock), guard, clock, recursive.timeout))
    v1 = V1(trusted, clock)
    others += [remote(server) for server in _forward_servers(config, trusted, v1, clock)]

    bridges = []
    if recursive.bridge.enabled:
        bridge = Bridge(v1, recursive.bridge.server, recursive.bridge.mappings)
        bridges.append(OneByOne(remote(bridge), clock, recursive.timeout))
    return Sources(
        here=(*own, *([] if recursive.bridge.recursive_only else bridges)), everywhere=(*own, *others, *bridges)
    )


def _forward_servers(config: Config, http: Http, v1: V1, clock: IReactorTime) -> Iterator[Source]:
    account = config.forward.account
    homeserver = account.homeserver or config.matrix.homeserver.url
    for label in config.forward.servers:
        for url in config.matrix.identity.servers[label]:
            v2 = None
            if account.access_token is not None and homeserver is not None:
                open_id = partial(request_token, http, homeserver, account.access_token)
                v2 = V2(http, url, open_id, account.accepted_terms)
            yield ForwardServer(url, v1, v2, clock)
