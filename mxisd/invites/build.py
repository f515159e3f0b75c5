"""Puts the life of invites together."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..clock import milliseconds, now
from ..config import Config
from ..core import Core
from ..lookup.build import Lookups
from ..matrix.ids import is_user_of
from ..outbox.build import Outboxes
from ..policies.build import Policies
from ..services import HOURLY, PeriodicService
from ..storage.records import Invite
from .invites import Invites
from .lifecycle import InviteLifecycle
from .resolution import Resolution


class InviteParts(NamedTuple):
    """How invites begin, and how they end."""

    invites: Invites
    lifecycle: InviteLifecycle


def build(core: Core, policies: Policies, lookups: Lookups, outboxes: Outboxes) -> InviteParts:
    config, storage, clock = core.config.invite, core.storage, core.reactor
    lifecycle = InviteLifecycle(storage.invites, outboxes.onbind, clock, config.expiration.resolve_to)
    resolution = Resolution(
        storage.invites,
        storage.bindings,
        lookups.pending,
        lifecycle,
        clock,
        config.resolution.interval,
        config.expiration.after if config.expiration.enabled else None,
        _told_of(core.config),
    )
    core.run(PeriodicService("lookup of pending invites", resolution.tick, config.resolution.interval, clock))
    kept = milliseconds(config.history.days)
    core.run(PeriodicService("purge of ended invites", lambda: storage.invites.purge(now(clock) - kept), HOURLY, clock))
    return InviteParts(
        Invites(
            storage.invites,
            policies.invite,
            policies.proofs,
            lookups.recursion,
            lookups.hashed,
            outboxes,
            core.signer,
            clock,
            core.random,
            core.config.matrix.domain,
            config.remind_after,
        ),
        lifecycle,
    )


def _told_of(config: Config) -> Callable[[Invite], bool]:
    """Of which invites the application service sees who accepts them."""
    sees = config.appsvc.enabled and config.appsvc.feature.invite_by_id
    return lambda invite: sees and is_user_of(invite.sender, config.matrix.domain)
