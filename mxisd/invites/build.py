"""Puts the life of invites together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..clock import DAY, MINUTE, now
from ..core import Core
from ..lookup.recursion import Recursion
from ..lookup.source import Source
from ..outbox.build import Outboxes
from ..policies.build import Policies
from ..services import PeriodicService
from .invites import Invites
from .lifecycle import InviteLifecycle
from .resolution import Resolution


class InviteParts(NamedTuple):
    """How invites begin, and how they end."""

    invites: Invites
    lifecycle: InviteLifecycle


def build(
    core: Core, policies: Policies, recursion: Recursion, pending: Sequence[Source], outboxes: Outboxes
) -> InviteParts:
    """``pending`` are asked again and again about the addresses of pending invites."""
    config, storage, clock = core.config.invite, core.storage, core.reactor
    remind_after = None if config.remind_after is None else config.remind_after * MINUTE
    lifecycle = InviteLifecycle(storage.invites, outboxes.onbind, clock, config.expiration.resolve_to)
    resolution = Resolution(
        storage.invites,
        storage.bindings,
        pending,
        lifecycle,
        clock,
        config.resolution.interval * 1000,
        config.expiration.after * MINUTE if config.expiration.enabled else None,
    )
    core.run(PeriodicService("lookup of pending invites", resolution.tick, config.resolution.interval, clock))
    kept = config.history.days * DAY
    core.run(PeriodicService("purge of ended invites", lambda: storage.invites.purge(now(clock) - kept), 3600, clock))
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
            remind_after,
        ),
        lifecycle,
    )
