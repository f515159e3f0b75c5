"""Puts validation sessions and bindings together."""

from __future__ import annotations

from typing import NamedTuple

from ..core import Core
from ..limits.limits import RateLimits
from ..notify import Message, MessageSender
from ..outbox.courier import Outbox
from ..services import HOURLY, PeriodicService
from .attempts import Attempts
from .binding import Bindings
from .destinations import Destinations
from .next_link import NextLinks
from .unbind_notices import UnbindNotices
from .validation import ValidationSessions


class ThreePids(NamedTuple):
    """Validating addresses, and binding them to users."""

    sessions: ValidationSessions
    bindings: Bindings


def build(core: Core, notifier: MessageSender[Message], onbind: Outbox, limits: RateLimits) -> ThreePids:
    """``onbind`` tells homeservers of new bindings.  Sessions that have expired are forgotten every hour."""
    config, storage, clock = core.config, core.storage, core.reactor
    policy = config.session.policy
    next_links = NextLinks(policy.next_link.allowed)
    phones = config.threepid.medium.msisdn
    destinations = Destinations(phones.allow_countries, phones.deny_countries)
    attempts = core.run(Attempts(storage.sessions, storage.cooldowns, notifier, clock))
    sessions = ValidationSessions(
        storage.sessions,
        attempts,
        clock,
        core.random,
        config.server.public_url,
        next_links,
        destinations,
        limits,
        config.session.max_per_address,
    )
    notices = UnbindNotices(policy.unbind, storage.bindings, storage.cooldowns, notifier, clock)
    core.run(PeriodicService("purge of sessions", sessions.purge, HOURLY, clock))
    return ThreePids(sessions, Bindings(storage.bindings, sessions, onbind, notices, core.signer, clock, policy))
