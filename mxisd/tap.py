"""
What ``twistd mxisd`` runs: here, and only here, the parts are put together.

Read :func:`service_from` as the table of contents of the whole.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from twisted.application import strports
from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.usage import Options as UsageOptions

from .accounts.accounts import Accounts
from .accounts.terms import Terms
from .appservice.bot import Bot
from .appservice.commands import Commands
from .appservice.events import Reaction
from .appservice.expiry import ExpiryUser
from .appservice.mail import InviteMail
from .appservice.registration import RegistrationError, registration_text
from .appservice.registration import write as write_registration
from .appservice.transactions import Transactions
from .appservice.users import Users
from .appservice.withdrawal import Withdrawal
from .clock import DAY, MINUTE, now
from .config import Config, ConfigError, load
from .invites.delivery import Deliveries
from .invites.endings import Endings
from .invites.invites import Invites
from .invites.message import MessageDelivery
from .invites.onbind import OnbindDelivery
from .invites.policy import InvitePolicy
from .invites.resolution import Resolution
from .lookup.chain import Lookup
from .lookup.hashed import HashedLookup
from .lookup.source import Source
from .matrix import xmatrix
from .matrix.discovery import Discovery
from .matrix.dns import Resolver
from .matrix.federation import Federation, Overwrites
from .matrix.homeserver import Homeserver
from .matrix.networks import ANYWHERE
from .matrix.outbound import Outbound
from .matrix.signing import KeyFileError, Signer, load_or_create
from .matrix.threepid import redacted
from .matrix.tls import CaFileError, Trust
from .notify import Notifier
from .notify.build import build_notifier, mail_templates, text_templates
from .notify.template import TemplateError
from .periodic import Periodic
from .registration.policy import RegistrationPolicy
from .sessions.binding import Publication
from .sessions.notices import UnbindNotices
from .sessions.validation import ValidationSessions
from .storage.contract import Storage
from .storage.sqlite import SQLiteService
from .storage.sqlite.schema import UnusableDatabase
from .stores.localpart import UserIds
from .stores.memory import MemoryStore
from .stores.store import Store
from .stores.stores import Stores
from .web import appservice
from .web.appservice import AppServiceEndpoints
from .web.client import Clients
from .web.endpoint import Endpoint
from .web.identity import api
from .web.identity.account import AccountEndpoints
from .web.identity.invite import InviteEndpoints
from .web.identity.lookup import LookupEndpoints
from .web.identity.pubkey import PubkeyEndpoints
from .web.identity.threepid import ThreePidEndpoints
from .web.identity.validate import ValidateEndpoints
from .web.interception.api import interceptions
from .web.interception.invite import InviteInterception
from .web.interception.register import RegistrationInterception
from .web.pages import Pages
from .web.policy import PolicyEndpoints
from .web.proxy import Homeservers, Proxy, agent_for
from .web.site import Site, tree

log = Logger()

# What can be wrong with a configuration and what it points to: told in a line, without a traceback.
START_ERRORS = (ConfigError, CaFileError, KeyFileError, RegistrationError, TemplateError, UnusableDatabase)


class Options(UsageOptions):
    """The command line of ``twistd mxisd``."""

    optParameters = [["config", "c", "mxisd.yaml", "The configuration file."]]  # noqa: RUF012  # as Twisted has it
    optFlags = [["check", None, "Check the configuration and exit: 0 if the server would start, else 1."]]  # noqa: RUF012

    def postOptions(self) -> None:
        if self["check"]:
            sys.exit(check(Path(self["config"])))


def check(path: Path) -> int:
    """Say on standard output what is wrong with a configuration; return what the process should exit with."""
    try:
        config = load(path, os.environ)
        # And whatever else only has to be read.
        Trust(config.outbound.ca_file)
        Pages(config.view)
        mail_templates(config)
        text_templates(config)
    except START_ERRORS as error:
        sys.stdout.write(f"{error}\n")
        return 1
    for warning in config.warnings:
        sys.stdout.write(f"warning: {warning}\n")
    sys.stdout.write(f"{path} is good: mxisd would serve {config.server.public_url}\n")
    return 0


def makeService(options: Options) -> IService:  # the name that twistd looks for
    """The service of a command line."""
    from twisted.internet import reactor

    try:
        return service_from(load(Path(options["config"]), os.environ), reactor)
    except START_ERRORS as error:
        raise SystemExit(f"mxisd cannot start:\n{error}") from None


def service_from(config: Config, reactor: Any) -> IService:
    """The whole server.  Raises :data:`START_ERRORS`."""
    random = os.urandom
    services: list[IService] = []
    for warning in config.warnings:
        log.warn("{warning}", warning=warning)

    signer = Signer(config.server.name, load_or_create(config.key.path))
    engine = SQLiteService(config.storage.provider.sqlite.database, reactor)
    services.append(engine)
    storage = engine.storage

    resolver = Resolver(reactor, config.outbound.nameservers)
    trust = Trust(config.outbound.ca_file, config.outbound.insecure_servers)
    outbound = Outbound(
        reactor,
        resolver,
        trust,
        config.outbound.allowed_networks,
    )
    # For servers that the administrator has named, wherever they are.
    trusted = Outbound(reactor, resolver, trust, ANYWHERE)
    overwrites = {entry.name: entry.value for entry in config.dns.overwrite.homeserver.federation}
    federation = Federation(
        reactor, outbound, Discovery(reactor, outbound, resolver, random), Overwrites(overwrites, trusted)
    )
    notifier = build_notifier(config, reactor, trusted, random)

    onbinds = Deliveries(
        storage.outbox,
        OnbindDelivery(storage.invites, federation, signer),
        reactor,
        random,
        int(config.invite.delivery.give_up_after * 1000),
        config.invite.delivery.concurrency,
    )
    messages = Deliveries(
        storage.outbox,
        MessageDelivery(storage.invites, notifier),
        reactor,
        random,
        int(config.invite.delivery.give_up_after * 1000),
        at_once=16,
        per_destination=16,
    )
    services += onbinds, messages
    endings = Endings(storage.invites, onbinds, reactor, config.invite.expiration.resolve_to)

    sessions = ValidationSessions(storage.sessions, notifier, reactor, random, config.server.public_url)
    services.append(Periodic("purge of sessions", sessions.purge, 3600, reactor))
    stores = identity_stores(config)
    sources = stores.sources
    lookup = Lookup(storage.bindings, sources, signer, reactor)
    services += timers_of_invites(config, storage, sources, endings, reactor)
    only_domain = config.matrix.domain if config.account.allow_only_trust_domains else None
    accounts = Accounts(storage.accounts, federation, reactor, random, only_domain)
    session_policy = config.session.policy
    notices = UnbindNotices(session_policy.unbind, storage.bindings, storage.occasions, notifier, reactor)
    publication = Publication(storage.bindings, sessions, onbinds, notices, signer, reactor, session_policy)
    policy = InvitePolicy(config.invite.policy, stores)
    invites = Invites(storage.invites, policy, lookup, messages, signer, reactor, random)
    hashed = HashedLookup(storage.hashes, lookup, reactor, random, config.hashing.pepper_length)

    endpoints = api.Endpoints(
        account=AccountEndpoints(accounts, Terms(config.policy.policies, storage.accounts, reactor)),
        lookup=LookupEndpoints(lookup, hashed),
        validate=ValidateEndpoints(sessions, Pages(config.view), session_policy.validation),
        threepid=ThreePidEndpoints(publication, partial(xmatrix.authenticate, federation, our_names=our_names(config))),
        pubkey=PubkeyEndpoints(signer, invites),
        invite=InviteEndpoints(
            invites,
            signer,
            config.server.public_url,
            attrgetter("address") if config.invite.full_display_name else redacted,
        ),
    )
    paths = api.common()
    paths |= api.v1(endpoints) if config.matrix.v1 else {}
    paths |= api.v2(endpoints) if config.matrix.v2 else {}
    if config.invite.policy.token is not None:
        paths |= PolicyEndpoints(policy, config.invite.policy.token).endpoints()
    if (homeservers := intercepted(config)) is not None:
        proxy = Proxy(agent_for(reactor, trust), homeservers, Clients(config.server.trusted_proxies), reactor)
        registration = RegistrationPolicy(config.register.policy, storage.invites)
        paths |= interceptions(InviteInterception(proxy, policy), RegistrationInterception(proxy, registration))
    limits = dict(api.BODY_LIMITS)
    if config.appsvc.enabled:
        homeserver = Homeserver(trusted, str(config.appsvc.endpoint.to_hs.url), str(config.appsvc.endpoint.to_hs.token))
        commands = Commands(storage.invites, storage.outbox, endings, lookup)
        ours = application_service(config, storage, homeserver, endings, commands, stores, notifier, reactor)
        services += ours.services
        paths |= ours.paths
        limits |= appservice.BODY_LIMITS
    site = Site(tree(paths), limits)
    for description in config.server.bind:
        services.append(strports.service(description, site, reactor))
    log.info("mxisd serves {url} at {bind}", url=config.server.public_url, bind=", ".join(config.server.bind))
    whole = Ordered()
    for service in services:
        service.setServiceParent(whole)
    return whole


def timers_of_invites(
    config: Config, storage: Storage, sources: Sequence[Source], endings: Endings, reactor: Any
) -> list[IService]:
    """What becomes of pending invites, and of ended ones, as time passes."""
    expiration, interval = config.invite.expiration, config.invite.resolution.interval
    resolution = Resolution(
        storage.invites,
        storage.bindings,
        [source for source in sources if source.local or config.invite.resolution.recursive],
        endings,
        reactor,
        interval * 1000,
        expiration.after * MINUTE if expiration.enabled else None,
    )
    kept = config.invite.history.days * DAY
    return [
        Periodic("lookup of pending invites", resolution.tick, interval, reactor),
        Periodic("purge of ended invites", lambda: storage.invites.purge(now(reactor) - kept), 3600, reactor),
    ]


class ApplicationService(NamedTuple):
    """What there is to run and to serve."""

    services: list[IService]
    paths: Mapping[str, Endpoint]


def application_service(
    config: Config,
    storage: Storage,
    homeserver: Homeserver,
    endings: Endings,
    commands: Commands,
    stores: Stores,
    notifier: Notifier,
    reactor: Any,
) -> ApplicationService:
    """What our homeserver knows us as.  Raises :class:`RegistrationError`."""
    ours, domain = config.appsvc, config.matrix.domain
    main, expiry = ours.main_user(domain), ours.expiry_user(domain)
    if ours.registration.synapse.file is not None:
        write_registration(ours.registration.synapse.file, registration_text(ours, domain))
    users = Users(homeserver, {main, expiry})
    allowed = ours.feature.admin.allowed_roles
    services: list[IService] = []
    reactions: list[Reaction] = [
        Withdrawal(storage.invites, endings),
        Bot(homeserver, users, main, stores, allowed, commands if ours.takes_commands else None),
    ]
    if ours.rejects_expired:
        rejecting = ExpiryUser(homeserver, users, expiry, main, reactor)
        services.append(rejecting)
        reactions.append(rejecting)
    if ours.feature.invite_by_id:
        reactions.append(InviteMail(homeserver, stores, notifier, reactor, domain, {main, expiry}))
    transactions = Transactions(storage.transactions, reactions, reactor)
    services.append(Periodic("purge of transactions", transactions.purge, 3600, reactor))
    token = str(ours.endpoint.to_as.token)
    return ApplicationService(services, appservice.paths(AppServiceEndpoints(transactions, users, token)))


class Ordered(MultiService):
    """Stops one service after another, the last first: what others rely on was started before them."""

    def stopService(self) -> Deferred[None]:
        self.running = False
        return Deferred.fromCoroutine(self._stop_all())

    async def _stop_all(self) -> None:
        for service in reversed(list(self)):
            try:
                await maybeDeferred(service.stopService)
            except Exception:
                log.failure("{service} did not stop as it should", service=service)


def identity_stores(config: Config) -> Stores:
    """The identity stores that are switched on."""
    stores = []
    if config.memory.enabled:
        memory = MemoryStore(config.memory.identities, UserIds(config.matrix.domain))
        stores.append(Store("memory", profiles=memory))
    return Stores(stores)


def intercepted(config: Config) -> Homeservers | None:
    """The homeservers that mxisd stands in front of; ``None`` if it is to stand aside."""
    by_name = {entry.name: entry.value for entry in config.dns.overwrite.homeserver.client}
    return Homeservers(by_name, config.matrix.homeserver.url) if by_name or config.matrix.homeserver.url else None


def our_names(config: Config) -> list[str]:
    """What homeservers may call us when they sign a request: as a client wrote it, that is with the port."""
    return [config.server.name, urlsplit(config.server.public_url).netloc]
