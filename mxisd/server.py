"""The whole server, put together: read :func:`build` as the table of contents."""

from __future__ import annotations

from collections.abc import Sequence

from .accounts.build import build as build_accounts
from .appservice.build import build as build_appservice
from .clock import now
from .config import Config
from .config.server import METRICS
from .core import Core, DryEnds
from .errors import StartError
from .invites.build import build as build_invites
from .limits.build import build as build_limits
from .lookup.build import build as build_lookups
from .net.http_server import HttpServer
from .notify import Message, MessageSender
from .notify.build import build as build_notifier
from .outbox.build import build as build_outboxes
from .policies.build import build as build_policies
from .reactor import IReactor
from .services import HOURLY, PeriodicService
from .stores.build import build as build_stores
from .threepids.build import build as build_threepids
from .web.build import Served, build_inside, build_operation
from .web.build import build as build_site


def build(core: Core) -> HttpServer:
    """
    Put all parts together, and return what is to be served; what has to run for it is in ``core.services``.

    Raises :class:`~mxisd.errors.StartError` for whatever the administrator has to mend.
    """
    parts = build_parts(core, build_notifier(core))
    core.ends.listen(core, "internal.bind", core.config.internal.bind, build_inside(core, parts))
    if core.config.metrics.enabled:
        _listen_for_metrics(core)
    return build_site(core, parts)


def _listen_for_metrics(core: Core) -> None:
    site, bind = build_operation(core), core.config.metrics.bind
    try:
        core.ends.listen(core, "metrics.bind", bind or METRICS, site)
    except StartError as error:
        if bind:
            raise
        # Nobody asked for it there.
        core.warnings.append(f"{error}: health and metrics are not served; metrics.bind can name another place")


def build_parts(core: Core, notifier: MessageSender[Message]) -> Served:
    """
    The parts that requests reach; ``notifier`` takes their messages.

    Services start in this order, and stop in the opposite one.
    """
    cooldowns = core.storage.cooldowns
    core.run(PeriodicService("purge of cooldowns", lambda: cooldowns.purge(now(core.reactor)), HOURLY, core.reactor))
    limits = build_limits(core)
    stores = build_stores(core)
    lookups = build_lookups(core, stores.sources, stores.listings)
    policies = build_policies(core, stores, limits)
    outboxes = build_outboxes(core, notifier)
    accounts = build_accounts(core, limits)
    threepids = build_threepids(core, notifier, outboxes.onbind, limits)
    invites, lifecycle = build_invites(core, policies, lookups, outboxes)
    appservice = build_appservice(core, stores, notifier, lifecycle, outboxes.members, lookups.for_us, limits)
    return Served(stores, lookups, policies, accounts, threepids, invites, outboxes.members, appservice, limits)


def check(config: Config, reactor: IReactor) -> Sequence[str]:
    """
    Build the whole server as the start does, without making, changing or serving anything; returns its warnings.

    Raises :class:`~mxisd.errors.StartError` exactly if the start would.
    """
    core = Core(config, reactor, DryEnds())
    core.ends.listen(core, "server.bind", config.server.bind, build(core))
    return core.warnings
