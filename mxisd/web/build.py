"""Puts the HTTP server together: which endpoints there are depends on the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from msgspec.structs import asdict, replace
from twisted.web.iweb import IAgent

from ..accounts.build import AccountParts
from ..appservice.build import ApplicationService
from ..config import Config
from ..config.server import Limits as ConfiguredLimits
from ..core import Core
from ..invites.invites import Invites
from ..limits.limits import RateLimits
from ..listening import connections_at_most
from ..lookup.build import Lookups
from ..lookup.identifiers import Identifiers
from ..matrix.threepid import readable, redacted
from ..net.http_server import HttpServer, Limits, Stopping
from ..outbox.members import Members
from ..policies.build import Policies
from ..policies.newcomers import Newcomers
from ..stores.passwords import Passwords
from ..stores.profiles import StoreProfiles
from ..stores.search import StoreSearch
from ..stores.stores import Stores
from ..threepids.build import ThreePids
from .client import Clients
from .endpoint import Endpoint
from .homeserver import appservice
from .homeserver.appservice import AppServiceEndpoints
from .homeserver.check_credentials import CheckCredentialsEndpoints
from .homeserver.policy import PolicyEndpoints
from .homeserver.profile import RolesEndpoints
from .identity import api as identity
from .identity.account import AccountEndpoints
from .identity.internal import InternalEndpoints
from .identity.invite import InviteEndpoints
from .identity.lookup import LookupEndpoints
from .identity.pubkey import PubkeyEndpoints
from .identity.threepid import ThreePidEndpoints
from .identity.validate import ValidateEndpoints
from .interception import api as interception
from .interception.directory import DirectoryInterception
from .interception.invite import InviteInterception
from .interception.login import LoginInterception
from .interception.profile import ProfileInterception
from .interception.register import RegistrationInterception
from .operation import Counting, OperationEndpoints
from .pages import Pages
from .proxy import HomeserverUrls, Proxy, agent_for
from .site import error_page, tree

SECOND = timedelta(seconds=1)


class Served(NamedTuple):
    """The parts that requests reach."""

    stores: Stores
    lookups: Lookups
    policies: Policies
    accounts: AccountParts
    threepids: ThreePids
    invites: Invites
    members: Members
    appservice: ApplicationService | None
    limits: RateLimits


def build(core: Core, parts: Served) -> HttpServer:
    """The HTTP server."""
    limits = _limits(core.config.server.limits)
    most = connections_at_most(limits.connections, "server.limits.connections", core.warnings.append)
    clients, agent = _clients(core), agent_for(core.reactor, core.trust)
    return _server(core, replace(limits, connections=most), endpoints(core, parts, clients, agent), clients)


def _clients(core: Core) -> Clients:
    return Clients(core.config.server.trusted_proxies)


def _server(core: Core, limits: Limits, endpoints: Mapping[str, Endpoint], clients: Clients) -> HttpServer:
    proxies = core.config.server.trusted_proxies
    server = HttpServer(tree(endpoints, clients), core.reactor, error_page, limits, proxies)
    core.run(Stopping(server))
    return server


def _limits(configured: ConfiguredLimits) -> Limits:
    """What clients may take, in bytes and seconds."""
    values: dict[str, Any] = {
        key: value / SECOND if isinstance(value, timedelta) else value for key, value in asdict(configured).items()
    }
    return Limits(**values)


def build_inside(core: Core, parts: Served) -> HttpServer:
    """What is served to the homeserver alone, at a place that nobody else reaches."""
    endpoints = InternalEndpoints(parts.threepids.bindings).endpoints()
    return _server(core, _limits(core.config.server.limits), endpoints, _clients(core))


def build_operation(core: Core) -> HttpServer:
    """What programs ask that watch over the server."""
    for service in Counting(core.storage, core.reactor).services():
        core.run(service)
    endpoints = OperationEndpoints(core.storage, core.reactor).endpoints()
    return _server(core, _limits(core.config.server.limits), endpoints, _clients(core))


def endpoints(core: Core, parts: Served, clients: Clients, agent: IAgent) -> dict[str, Endpoint]:
    """All endpoints by path; ``agent`` reaches the homeservers that mxisd stands in front of."""
    return {
        **_identity(core, parts, clients),
        **_policy(core, parts),
        **_internal(core, parts, clients),
        **_interceptions(core, parts, clients, agent),
        **_application_service(parts),
    }


def _identity(core: Core, parts: Served, clients: Clients) -> dict[str, Endpoint]:
    config, public_url = core.config, core.config.server.public_url
    shown = readable if config.invite.full_display_name else redacted
    on = identity.IdentityEndpoints(
        account=AccountEndpoints(*parts.accounts, clients),
        lookup=LookupEndpoints(
            parts.lookups.recursion,
            parts.lookups.hashed,
            clients,
            parts.limits,
            core.reactor,
            bulk=config.lookup.bulk.enabled,
        ),
        validate=ValidateEndpoints(
            parts.threepids.sessions,
            clients,
            Pages(config.view),
            config.session.policy.validation,
            _newcomers(config, parts.policies),
            asking_first=config.view.session.on_token_submit.confirm,
        ),
        threepid=ThreePidEndpoints(parts.threepids.bindings, core.authenticate),
        pubkey=PubkeyEndpoints(core.signer, parts.invites),
        invite=InviteEndpoints(parts.invites, clients, core.signer, public_url, shown),
    )
    paths = identity.common(on)
    paths |= identity.v1(on) if config.matrix.v1 else identity.v1_for_homeservers(on)
    paths |= identity.v2(on) if config.matrix.v2 else {}
    return paths


def _policy(core: Core, parts: Served) -> dict[str, Endpoint]:
    """What a homeserver may ask about invites before it sends them."""
    token = core.config.invite.policy.token
    return {} if token is None else PolicyEndpoints(parts.policies.invite, parts.policies.proofs, token).endpoints()


def _internal(core: Core, parts: Served, clients: Clients) -> dict[str, Endpoint]:
    """What a homeserver, and programs beside it, may ask about passwords and roles."""
    passwords = Passwords(parts.stores, core.config.matrix.domain, core.reactor)
    allowed = core.config.auth.check_credentials.allowed_cidr
    return {
        **CheckCredentialsEndpoints(passwords, clients, allowed).endpoints(),
        **RolesEndpoints(parts.stores, clients, allowed).endpoints(),
    }


def _interceptions(core: Core, parts: Served, clients: Clients, agent: IAgent) -> dict[str, Endpoint]:
    """Paths of the homeservers that mxisd stands in front of, if it stands in front of any."""
    config, reactor, stores, policies = core.config, core.reactor, parts.stores, parts.policies
    homeservers = _homeservers(config)
    if homeservers is None:
        return {}
    proxy = Proxy(agent, homeservers, clients, reactor)
    exclude, rules, domain = config.directory.exclude, config.auth.rewrite.user.rules, config.matrix.domain
    search = StoreSearch(stores, exclude, reactor)
    identifiers = Identifiers(parts.lookups.private, rules, domain)
    profiles = StoreProfiles(stores, reactor)
    return interception.interceptions(
        interception.InterceptionEndpoints(
            invite=InviteInterception(proxy, policies.invite, policies.proofs, parts.members),
            register=RegistrationInterception(proxy, policies.registration, policies.proofs),
            directory=DirectoryInterception(proxy, search, exclude, reactor) if config.adds_to_directory else None,
            login=LoginInterception(proxy, identifiers) if config.reads_logins else None,
            profile=(
                ProfileInterception(proxy, profiles, public=config.profile.public) if config.adds_to_profiles else None
            ),
        )
    )


def _homeservers(config: Config) -> HomeserverUrls | None:
    """Those that mxisd stands in front of."""
    by_name = {entry.name: entry.value for entry in config.dns.overwrite.homeserver.client}
    url = config.matrix.homeserver.url
    return HomeserverUrls(by_name, url) if by_name or url else None


def _newcomers(config: Config, policies: Policies) -> Newcomers | None:
    """Who may have phone numbers validated, if it is for us to say who registers."""
    if _homeservers(config) is None:
        return None
    return Newcomers(policies.registration, policies.proofs, config.matrix.domain)


def _application_service(parts: Served) -> dict[str, Endpoint]:
    """What our homeserver knows us as."""
    ours = parts.appservice
    if ours is None:
        return {}
    return appservice.paths(AppServiceEndpoints(ours.transactions, ours.users, ours.token))
