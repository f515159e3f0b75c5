"""Puts the policies together."""

from __future__ import annotations

from typing import NamedTuple

from ..core import Core
from ..limits.limits import RateLimits
from ..stores.store import Roles
from .invite import InvitePolicy
from .proofs import Proofs
from .registration import RegistrationPolicy


class Policies(NamedTuple):
    """Who may invite, who may register, and what was judged already."""

    invite: InvitePolicy
    registration: RegistrationPolicy
    proofs: Proofs


def build(core: Core, roles: Roles, limits: RateLimits) -> Policies:
    """The policies of the configuration; ``roles`` knows the roles of users."""
    in_front = core.config.intercepts or core.config.invite.policy.token is not None
    return Policies(
        InvitePolicy(core.config.invite.policy, roles),
        RegistrationPolicy(core.config.register.policy, core.storage.invites, core.config.matrix.domain),
        Proofs(core.storage.cooldowns, limits, core.reactor, in_front=in_front),
    )
