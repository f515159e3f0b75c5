"""Puts the life of invites together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..clock import milliseconds, now
from ..core import Core
from ..limits.limits import RateLimits
from ..lookup.recursion import Recursion
from ..lookup.source import Source
from ..outbox.build import Outboxes
from ..policies.build import Policies
from ..services import HOURLY, PeriodicService
from .invites import Invites
from .lifecycle import InviteLifecycle
from .resolution import Resolution


class InviteParts(NamedTuple):
    """How invites begin, and how they end."""

    invites: Invites
    lifecycle: InviteLifecycle


def build(
    core: Core,
    policies: Policies,
    recursion: Recursion,
    pending: Sequence[Source],
    outboxes: Outboxes,
    limits: RateLimits,
) -> InviteParts:
    """``pending`` are asked again and again about the addresses of pending invites."""
    config, storage, clock = core.config.invite, core.storage, core.reactor
    lifecycle = InviteLifecycle(storage.invites, outboxes.onbind, clock, config.expiration.resolve_to)
    resolution = Resolution(
        storage.invites,
        storage.bindings,
        pending,
        lifecycle,
        clock,
        config.resolution.interval,
        config.expiration.after if config.expiration.enabled else None,
    )
    core.run(PeriodicService("lookup of pending invites", resolution.tick, config.resolution.interval, clock))
    kept = milliseconds(config.history.days)
    core.run(PeriodicService("purge of ended invites", lambda: storage.invites.purge(now(clock) - kept), HOURLY, clock))
    return InviteParts(
        Invites(
            storage.invites,
            policies.invite,
            policies.proofs,
            recursion,
            outboxes.messages,
            core.signer,
            clock,
            core.random,
            core.config.matrix.domain,
            limits,
            config.remind_after,
        ),
        lifecycle,
    )
