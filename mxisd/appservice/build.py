"""Puts the application service together."""

from __future__ import annotations

from typing import NamedTuple

from ..core import Core
from ..invites.lifecycle import InviteLifecycle
from ..limits.limits import RateLimits
from ..lookup.source import AddressLookup
from ..matrix.homeserver import Homeserver
from ..notify import Message, MessageSender
from ..outbox.members import Members
from ..services import HOURLY, PeriodicService
from ..stores.stores import Stores
from .bot import Bot
from .commands import Commands
from .events import Reaction
from .expiry import ExpiryUser
from .mail import InviteMail
from .memberships import Memberships
from .registration import registration_text, write
from .revocation import Revocation
from .transactions import Transactions
from .users import Users


class ApplicationService(NamedTuple):
    """What the homeserver tells us, the users that we act as there, and the token that proves who tells."""

    transactions: Transactions
    users: Users
    token: str


def build(
    core: Core,
    stores: Stores,
    notifier: MessageSender[Message],
    lifecycle: InviteLifecycle,
    members: Members,
    lookup: AddressLookup,
    limits: RateLimits,
) -> ApplicationService | None:
    """The application service, if it is enabled.  Raises :class:`~.registration.RegistrationError`."""
    config, domain, storage, clock = core.config.appsvc, core.config.matrix.domain, core.storage, core.reactor
    if not config.enabled:
        return None
    if config.registration.synapse.file is not None:
        write(config.registration.synapse.file, registration_text(config, domain), core.ends.write)
    homeserver = Homeserver(core.admin_http, str(config.endpoint.to_hs.url), str(config.endpoint.to_hs.token))
    main, expiry = config.main_user(domain), config.expiry_user(domain)
    users = Users(homeserver, {main, expiry})
    commands = Commands(storage.invites, storage.outbox, lifecycle, lookup) if config.takes_commands else None
    bot = Bot(homeserver, users, main, stores, config.feature.admin.allowed_roles, commands)
    core.run(PeriodicService("check of the application service's user", bot.check, HOURLY, clock))
    memberships = Memberships(
        storage.invites, lifecycle, members, {main, expiry, core.config.invite.expiration.resolve_to}
    )
    reactions: list[Reaction] = [Revocation(storage.invites, lifecycle), memberships, bot]
    if config.rejects_expired:
        reactions.append(core.run(ExpiryUser(homeserver, users, expiry, main, clock)))
    if config.feature.invite_by_id:
        reactions.append(InviteMail(homeserver, stores, notifier, clock, domain, {main, expiry}, limits))
    transactions = Transactions(storage.transactions, reactions, clock)
    core.run(PeriodicService("purge of transactions", transactions.purge, HOURLY, clock))
    return ApplicationService(transactions, users, str(config.endpoint.to_as.token))
