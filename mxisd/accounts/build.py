"""Puts accounts and terms together."""

from __future__ import annotations

from typing import NamedTuple

from ..core import Core
from ..limits.limits import RateLimits
from ..services import HOURLY, PeriodicService
from .accounts import Accounts
from .terms import Terms


class AccountParts(NamedTuple):
    """Access tokens, and the terms that their owners have accepted."""

    accounts: Accounts
    terms: Terms


def build(core: Core, limits: RateLimits) -> AccountParts:
    """Accounts for the users whom the configuration lets have one; unused tokens are forgotten every hour."""
    config, storage = core.config, core.storage.accounts
    only_domain = config.matrix.domain if config.account.allow_only_trust_domains else None
    accounts = Accounts(storage, core.federation, core.reactor, core.random, only_domain, limits)
    core.run(PeriodicService("purge of access tokens", accounts.purge, HOURLY, core.reactor))
    return AccountParts(accounts, Terms(config.policy.policies, storage, core.reactor))
