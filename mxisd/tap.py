"""
What ``twistd mxisd`` runs: here, and only here, the parts are put together.

Read :func:`service_from` as the table of contents, and :class:`Parts` as the chapters.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from functools import cached_property, partial
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from twisted.application import strports
from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.usage import Options as UsageOptions

from . import workers
from .accounts.accounts import Accounts
from .accounts.terms import Terms
from .appservice.bot import Bot
from .appservice.commands import Commands
from .appservice.events import Reaction
from .appservice.expiry import ExpiryUser
from .appservice.mail import InviteMail
from .appservice.registration import RegistrationError, registration_text
from .appservice.registration import write as write_registration
from .appservice.revocation import Revocation
from .appservice.transactions import Transactions
from .appservice.users import Users
from .clock import DAY, MINUTE, now
from .config import Config, ConfigError, load
from .invites.invites import Invites
from .invites.lifecycle import InviteLifecycle
from .invites.resolution import Resolution
from .keys.file import KeyFileError, load_or_create
from .keys.file import check as check_keys
from .keys.shared import SharedKeys
from .log import LEVELS, Logger, levels
from .lookup.build import Sources, build_sources
from .lookup.chain import Lookup
from .lookup.circuit_breaker import CircuitBreaker
from .lookup.hashed import HashedLookup
from .lookup.identifiers import Identifiers
from .lookup.index import HashIndex
from .lookup.recursion import Recursion
from .matrix import xmatrix
from .matrix.discovery import Discovery
from .matrix.federation import FederationClient, Overwrites
from .matrix.homeserver import Homeserver
from .matrix.signing import Signer
from .matrix.threepid import redacted
from .net.dns import Resolver
from .net.http_client import HttpClient
from .net.networks import ANYWHERE
from .net.tls import CaFileError, Trust
from .notify import InviteMessage, Notifier, Reminder
from .notify.build import build_notifier, mail_templates, text_templates
from .notify.template import TemplateError
from .outbox.courier import Courier
from .outbox.message import MessageDelivery
from .outbox.onbind import OnbindDelivery
from .outbox.worker import OutboxWorker
from .policies.invite import InvitePolicy
from .policies.registration import RegistrationPolicy
from .services import PeriodicService
from .storage.contract import Storage
from .storage.engine import engine
from .storage.sqlite.schema import UnusableDatabase
from .stores.build import Built, build_stores
from .stores.passwords import Passwords
from .stores.profiles import StoreProfiles
from .stores.reread import Reread
from .stores.search import StoreSearch
from .stores.stores import Stores
from .threepids.binding import Bindings
from .threepids.unbind_notices import UnbindNotices
from .threepids.validation import REMEMBERED, ValidationSessions
from .web.client import Clients
from .web.endpoint import Endpoint
from .web.homeserver import appservice
from .web.homeserver.appservice import AppServiceEndpoints
from .web.homeserver.check_credentials import CheckCredentialsEndpoints
from .web.homeserver.policy import PolicyEndpoints
from .web.identity import api
from .web.identity.account import AccountEndpoints
from .web.identity.invite import InviteEndpoints
from .web.identity.lookup import LookupEndpoints
from .web.identity.pubkey import PubkeyEndpoints
from .web.identity.threepid import ThreePidEndpoints
from .web.identity.validate import ValidateEndpoints
from .web.interception import api as interception
from .web.interception.directory import DirectoryInterception
from .web.interception.invite import InviteInterception
from .web.interception.login import LoginInterception
from .web.interception.profile import ProfileInterception
from .web.interception.register import RegistrationInterception
from .web.pages import Pages
from .web.proxy import HomeserverUrls, Proxy, agent_for
from .web.site import Site, tree

log = Logger()

S = TypeVar("S", bound=Service)

# What can be wrong with a configuration and what it points to: told in a line, without a traceback.
START_ERRORS = (ConfigError, CaFileError, KeyFileError, RegistrationError, TemplateError, UnusableDatabase)


class Options(UsageOptions):
    """The command line of ``twistd mxisd``."""

    optParameters = [  # noqa: RUF012  # as Twisted has it
        ["config", "c", "mxisd.yaml", "The configuration file."],
        ["workers", "w", 0, "Serve with so many processes on this machine; needs storage.backend: redis.", int],
        ["sockets", None, None, "For a worker: the file descriptors of the sockets that it inherits."],
    ]
    optFlags = [["check", None, "Check the configuration and exit: 0 if the server would start, else 1."]]  # noqa: RUF012

    def postOptions(self) -> None:
        if self["check"]:
            sys.exit(check(Path(self["config"])))


def check(path: Path) -> int:
    """Say on standard output what is wrong with a configuration; return what the process should exit with."""
    from twisted.internet import reactor

    try:
        config = load(path, os.environ)
        read_all(config, reactor)
    except START_ERRORS as error:
        sys.stdout.write(f"{error}\n")
        return 1
    for warning in config.warnings:
        sys.stdout.write(f"warning: {warning}\n")
    sys.stdout.write(f"{path} is good: mxisd would serve {config.server.public_url}\n")
    return 0


def read_all(config: Config, reactor: Any) -> None:
    """Whatever a configuration points to that only has to be read.  Raises :data:`START_ERRORS`."""
    if config.key.path:
        check_keys(config.key.path)
    Trust(config.outbound.ca_file)
    Pages(config.view)
    mail_templates(config)
    text_templates(config)
    _ = Parts(config, reactor).stores


def makeService(options: Options) -> IService:  # the name that twistd looks for
    """The service of a command line."""
    from twisted.internet import reactor

    path = Path(options["config"])
    try:
        config = load(path, os.environ)
        if options["workers"]:
            return supervisor(config, path, options["workers"], reactor)
        service = service_from(config, reactor, options["sockets"], partial(load, path.absolute(), os.environ))
    except START_ERRORS as error:
        raise SystemExit(f"mxisd cannot start:\n{error}") from None
    # What is there now stays to the end: the collector need not look through it again and again.
    gc.collect()
    gc.freeze()
    return service


def supervisor(config: Config, path: Path, number: int, reactor: Any) -> IService:
    """What serves with several processes.  Raises :data:`START_ERRORS`."""
    if problems := list(workers.mistakes(config)):
        raise ConfigError(problems)
    read_all(config, reactor)
    command = workers.command(path.absolute(), len(config.server.bind))
    return workers.Supervisor(config.server.bind, command, number, reactor)


def service_from(
    config: Config, reactor: Any, sockets: str | None = None, read_again: Callable[[], Config] | None = None
) -> IService:
    """
    The whole server, on sockets of its own or, in a worker, those that it inherits.

    ``read_again`` reads the configuration for what can change while it runs.  Raises :data:`START_ERRORS`.
    """
    levels.setLogLevelForNamespace("mxisd", LEVELS[config.logging.app])
    for warning in config.warnings:
        log.warn("{warning}", warning=warning)
    parts = Parts(config, reactor)
    paths = parts.identity_api() | parts.policy_api() | parts.credentials_api()
    paths |= parts.interceptions() | parts.application_service()
    parts.run_timers()
    if read_again:
        parts.run_rereading(read_again)
    site = Site(tree(paths), api.BODY_LIMITS | appservice.BODY_LIMITS)
    if sockets:
        for endpoint in workers.inherited(sockets, reactor):
            parts.run(StreamServerEndpointService(endpoint, site))
        parts.run(workers.Lifeline(reactor))
    else:
        for description in config.server.bind:
            parts.run(strports.service(description, site, reactor))
    log.info("mxisd serves {url} at {bind}", url=config.server.public_url, bind=", ".join(config.server.bind))
    return parts.service


class Parts:
    """What the server is made of.  Each part is made when another one first asks for it, and started in that order."""

    def __init__(self, config: Config, reactor: Any) -> None:
        self.config = config
        self.reactor = reactor
        self.random = os.urandom
        self.service = Ordered()  # type: ignore[no-untyped-call]  # Twisted's services predate annotations

    def run(self, service: S) -> S:
        """Have a service started, and stopped before those that were there already."""
        service.setServiceParent(self.service)  # type: ignore[no-untyped-call]
        return service

    # What everything else stands on.

    @cached_property
    def signer(self) -> Signer:
        path = self.config.key.path
        keys = load_or_create(path) if path else self.run(SharedKeys(self.storage.keys, self.reactor))
        return Signer(self.config.server.name, keys)

    @cached_property
    def storage(self) -> Storage:
        return self.run(engine(self.config.storage, self.reactor, REMEMBERED)).storage

    @cached_property
    def resolver(self) -> Resolver:
        return Resolver(self.reactor, self.config.outbound.nameservers)

    @cached_property
    def trust(self) -> Trust:
        return Trust(self.config.outbound.ca_file, self.config.outbound.insecure_servers)

    @cached_property
    def outbound(self) -> HttpClient:
        """For servers that strangers name."""
        return HttpClient(self.reactor, self.resolver, self.trust, self.config.outbound.allowed_networks)

    @cached_property
    def trusted(self) -> HttpClient:
        """For servers that the administrator names, wherever they are."""
        return HttpClient(self.reactor, self.resolver, self.trust, ANYWHERE)

    @cached_property
    def federation(self) -> FederationClient:
        discovery = Discovery(self.reactor, self.outbound, self.resolver, self.random)
        urls = {entry.name: entry.value for entry in self.config.dns.overwrite.homeserver.federation}
        return FederationClient(self.reactor, self.outbound, discovery, Overwrites(urls, self.trusted))

    @cached_property
    def notifier(self) -> Notifier:
        return build_notifier(self.config, self.reactor, self.trusted, self.random)

    # Who is behind an address.

    @cached_property
    def built_stores(self) -> Built:
        built = build_stores(self.config, self.reactor, self.trusted, os.environ)
        for service in built.services:
            self.run(service)
        return built

    @property
    def stores(self) -> Stores:
        """The identity stores that are switched on."""
        return self.built_stores.stores

    def run_rereading(self, read_again: Callable[[], Config]) -> None:
        """Have what can change while it runs be taken from the configuration anew when the process gets SIGHUP."""
        if self.built_stores.memory is not None:
            memory = self.built_stores.memory
            self.run(Reread(memory, lambda: read_again().memory.identities, self.reactor))

    @cached_property
    def sources(self) -> Sources:
        """What lookups ask, besides our bindings."""
        stores, reactor = self.stores.sources, self.reactor
        return build_sources(self.config, stores, self.outbound, self.trusted, self.resolver, reactor, self.random)

    @cached_property
    def recursion(self) -> Recursion:
        config = self.config.lookup.recursive
        here, everywhere = (
            Lookup(self.storage.bindings, sources, self.signer, self.reactor) for sources in self.sources
        )
        return Recursion(here, everywhere, config.allowed_cidr if config.enabled else ())

    @cached_property
    def lookup(self) -> Lookup:
        """For what mxisd itself wants to know."""
        return self.recursion.everywhere if self.config.invite.resolution.recursive else self.recursion.here

    @cached_property
    def hash_index(self) -> HashIndex:
        config, reactor = self.config.hashing, self.reactor
        index = HashIndex(
            self.storage.hashes,
            self.storage.cooldowns,
            self.stores.listings if "sha256" in config.understood else [],
            partial(deferToThreadPool, reactor, reactor.getThreadPool()),
            reactor,
            self.random,
            config.pepper_length,
            config.interval,
            config.seconds_per_pepper,
            config.lookups_per_pepper,
        )
        self.run(PeriodicService("refresh of hashes", index.tick, config.interval, reactor))
        return index

    # What waits to be told to others.

    @cached_property
    def onbinds(self) -> OutboxWorker:
        return self._deliveries(
            OnbindDelivery(self.storage.invites, self.federation, self.signer), self.config.invite.delivery.concurrency
        )

    @cached_property
    def messages(self) -> OutboxWorker:
        courier = MessageDelivery("message", self.storage.invites, self.notifier, InviteMessage)
        return self._deliveries(courier, per_destination=16)

    def _deliveries(self, courier: Courier, per_destination: int) -> OutboxWorker:
        give_up_after = self.config.invite.delivery.give_up_after * 1000
        return self.run(
            OutboxWorker(self.storage.outbox, courier, self.reactor, self.random, give_up_after, per_destination)
        )

    # Addresses, accounts and invites.

    @cached_property
    def sessions(self) -> ValidationSessions:
        public_url = self.config.server.public_url
        return ValidationSessions(self.storage.sessions, self.notifier, self.reactor, self.random, public_url)

    @cached_property
    def publication(self) -> Bindings:
        policy, bindings = self.config.session.policy, self.storage.bindings
        notices = UnbindNotices(policy.unbind, bindings, self.storage.cooldowns, self.notifier, self.reactor)
        return Bindings(bindings, self.sessions, self.onbinds, notices, self.signer, self.reactor, policy)

    @cached_property
    def accounts(self) -> Accounts:
        only_domain = self.config.matrix.domain if self.config.account.allow_only_trust_domains else None
        return Accounts(self.storage.accounts, self.federation, self.reactor, self.random, only_domain)

    @cached_property
    def invite_policy(self) -> InvitePolicy:
        return InvitePolicy(self.config.invite.policy, self.stores)

    @cached_property
    def invites(self) -> Invites:
        remind_after = self.config.invite.remind_after
        return Invites(
            self.storage.invites,
            self.invite_policy,
            self.lookup,
            self.messages,
            self.signer,
            self.reactor,
            self.random,
            None if remind_after is None else remind_after * MINUTE,
        )

    @cached_property
    def endings(self) -> InviteLifecycle:
        resolve_to = self.config.invite.expiration.resolve_to
        return InviteLifecycle(self.storage.invites, self.onbinds, self.reactor, resolve_to)

    # What is served.

    @cached_property
    def clients(self) -> Clients:
        return Clients(self.config.server.trusted_proxies)

    def identity_api(self) -> dict[str, Endpoint]:
        """The identity service API."""
        config, public_url = self.config, self.config.server.public_url
        bulk = config.lookup.bulk.enabled
        algorithms = [name for name in config.hashing.understood if bulk or name != "none"]
        hashed = HashedLookup(self.storage.hashes, self.hash_index, algorithms)
        # What homeservers may call us when they sign a request: as a client wrote it, that is with the port.
        names = [config.server.name, urlsplit(public_url).netloc]
        shown = attrgetter("address") if config.invite.full_display_name else redacted
        endpoints = api.IdentityEndpoints(
            account=AccountEndpoints(self.accounts, Terms(config.policy.policies, self.storage.accounts, self.reactor)),
            lookup=LookupEndpoints(self.recursion, hashed, self.clients, bulk=bulk),
            validate=ValidateEndpoints(self.sessions, Pages(config.view), config.session.policy.validation),
            threepid=ThreePidEndpoints(
                self.publication, partial(xmatrix.authenticate, self.federation, our_names=names)
            ),
            pubkey=PubkeyEndpoints(self.signer, self.invites),
            invite=InviteEndpoints(self.invites, self.signer, public_url, shown),
        )
        paths = api.common()
        paths |= api.v1(endpoints) if config.matrix.v1 else {}
        paths |= api.v2(endpoints) if config.matrix.v2 else {}
        return paths

    def credentials_api(self) -> dict[str, Endpoint]:
        """What a homeserver may ask about passwords."""
        credentials = Passwords(self.stores, self.config.matrix.domain, self.reactor)
        allowed = self.config.auth.check_credentials.allowed_cidr
        return CheckCredentialsEndpoints(credentials, self.clients, allowed).endpoints()

    def policy_api(self) -> dict[str, Endpoint]:
        """What a homeserver may ask about invites before it sends them."""
        token = self.config.invite.policy.token
        return {} if token is None else dict(PolicyEndpoints(self.invite_policy, token).endpoints())

    def interceptions(self) -> dict[str, Endpoint]:
        """Paths of the homeservers that mxisd stands in front of, if it stands in front of any."""
        by_name = {entry.name: entry.value for entry in self.config.dns.overwrite.homeserver.client}
        url = self.config.matrix.homeserver.url
        if not by_name and not url:
            return {}
        proxy = Proxy(agent_for(self.reactor, self.trust), HomeserverUrls(by_name, url), self.clients, self.reactor)
        config, stores, reactor = self.config, self.stores, self.reactor
        exclude, public = config.directory.exclude, config.profile.public
        endpoints = interception.InterceptionEndpoints(
            invite=InviteInterception(proxy, self.invite_policy),
            register=RegistrationInterception(proxy, RegistrationPolicy(config.register.policy, self.storage.invites)),
            directory=DirectoryInterception(proxy, StoreSearch(stores, exclude, reactor), exclude, reactor),
            login=LoginInterception(proxy, self._identifiers()),
            profile=ProfileInterception(proxy, StoreProfiles(stores, reactor), public=public),
        )
        return interception.interceptions(endpoints)

    def _identifiers(self) -> Identifiers:
        """Whose the identifiers of logins are, by what is known here: addresses are not told to others for it."""
        own = [source for source in self.sources.here if source.local]
        lookup = Lookup(self.storage.bindings, own, self.signer, self.reactor)
        return Identifiers(lookup, self.config.auth.rewrite.user.rules, self.config.matrix.domain)

    def application_service(self) -> dict[str, Endpoint]:
        """What our homeserver knows us as.  Raises :class:`RegistrationError`."""
        ours, domain = self.config.appsvc, self.config.matrix.domain
        if not ours.enabled:
            return {}
        if ours.registration.synapse.file is not None:
            write_registration(ours.registration.synapse.file, registration_text(ours, domain))
        homeserver = Homeserver(self.trusted, str(ours.endpoint.to_hs.url), str(ours.endpoint.to_hs.token))
        users = Users(homeserver, {ours.main_user(domain), ours.expiry_user(domain)})
        transactions = Transactions(self.storage.transactions, self._reactions(homeserver, users), self.reactor)
        self.run(PeriodicService("purge of transactions", transactions.purge, 3600, self.reactor))
        return dict(appservice.paths(AppServiceEndpoints(transactions, users, str(ours.endpoint.to_as.token))))

    def _reactions(self, homeserver: Homeserver, users: Users) -> list[Reaction]:
        """What to do about events that the homeserver tells its application service."""
        ours, domain = self.config.appsvc, self.config.matrix.domain
        main, expiry = ours.main_user(domain), ours.expiry_user(domain)
        commands = Commands(self.storage.invites, self.storage.outbox, self.endings, self.lookup)
        allowed = ours.feature.admin.allowed_roles
        reactions: list[Reaction] = [
            Revocation(self.storage.invites, self.endings),
            Bot(homeserver, users, main, self.stores, allowed, commands if ours.takes_commands else None),
        ]
        if ours.rejects_expired:
            reactions.append(self.run(ExpiryUser(homeserver, users, expiry, main, self.reactor)))
        if ours.feature.invite_by_id:
            reactions.append(InviteMail(homeserver, self.stores, self.notifier, self.reactor, domain, {main, expiry}))
        return reactions

    # What happens as time passes.

    def _run_reminders(self) -> None:
        life = self.config.invite.expiration.after * MINUTE
        courier = MessageDelivery(
            "reminder", self.storage.invites, self.notifier, lambda invite: Reminder(invite, invite.created + life)
        )
        self._deliveries(courier, per_destination=4)

    def run_timers(self) -> None:
        """Look up pending invites, and forget what is over."""
        self._run_reminders()
        config, storage = self.config.invite, self.storage
        kept = config.history.days * DAY
        for name, work, seconds in (
            ("lookup of pending invites", self._resolution().tick, config.resolution.interval),
            ("purge of ended invites", lambda: storage.invites.purge(now(self.reactor) - kept), 3600),
            ("purge of sessions", self.sessions.purge, 3600),
            ("purge of cooldowns", lambda: storage.cooldowns.purge(now(self.reactor)), 3600),
        ):
            self.run(PeriodicService(name, work, seconds, self.reactor))

    def _resolution(self) -> Resolution:
        config = self.config.invite
        # A thousand addresses at a time take longer than those that somebody waits for.
        own = [CircuitBreaker(store, self.reactor, 30.0) for store in self.stores.sources]
        others = [source for source in self.sources.everywhere if not source.local and config.resolution.recursive]
        return Resolution(
            self.storage.invites,
            self.storage.bindings,
            [*own, *others],
            self.endings,
            self.reactor,
            config.resolution.interval * 1000,
            config.expiration.after * MINUTE if config.expiration.enabled else None,
        )


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
