"""Puts the policies together."""

from __future__ import annotations

from typing import NamedTuple

from ..core import Core
from ..stores.store import Roles
from .invite import InvitePolicy
from .proofs import Proofs
from .registration import RegistrationPolicy


class Policies(NamedTuple):
    """Who may invite, who may register, and what was judged already."""

    invite: InvitePolicy
    registration: RegistrationPolicy
    proofs: Proofs


def build(core: Core, roles: Roles) -> Policies:
    """The policies of the configuration; ``roles`` knows the roles of users."""
    return Policies(
        InvitePolicy(core.config.invite.policy, roles),
        RegistrationPolicy(core.config.register.policy, core.storage.invites, core.config.matrix.domain),
        Proofs(core.storage.cooldowns, core.reactor),
    )
