"""``mxisd-policy``: try out who may invite whom."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from ..config import Config, ConfigError, load
from ..core import Core, DryEnds
from ..matrix.ids import InvalidIdentifier, check_room_id, server_of
from ..matrix.threepid import InvalidAddress, canonical
from ..policies.invite import Attempt, InvitePolicy
from ..reactor import IReactor
from ..stores.build import build as build_stores
from ..stores.stores import StoreFailed

Say = Callable[[str], None]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command; its exit code is 0 if the invite would be allowed, 1 if it would not, else 2."""
    options = _parser().parse_args(arguments)
    try:
        attempt = _attempt(options)
        config = load(options.config, os.environ)
    except (ConfigError, InvalidAddress, InvalidIdentifier) as error:
        _say(str(error))
        sys.exit(2)
    react(lambda reactor: Deferred.fromCoroutine(_explain(reactor, config, attempt, options.role)))


async def explain(policy: InvitePolicy, attempt: Attempt, say: Say) -> bool:
    """Tell how the policy decides about an invite, a line a step; whether it is allowed.  Raises ``StoreFailed``."""
    decision = await policy.decide(attempt)
    for step in decision.steps:
        say(step)
    say("the invite is allowed" if decision.allowed else "the invite is refused")
    return decision.allowed


class GivenRoles:
    """Everybody has these roles."""

    def __init__(self, roles: Sequence[str]) -> None:
        self._roles = frozenset(roles)

    async def roles(self, user_id: str) -> frozenset[str]:
        return self._roles


async def _explain(reactor: IReactor, config: Config, attempt: Attempt, roles: Sequence[str] | None) -> None:
    core = Core(config, reactor, DryEnds())
    policy = InvitePolicy(config.invite.policy, build_stores(core) if roles is None else GivenRoles(roles))
    core.services.startService()
    try:
        allowed = await explain(policy, attempt, _say)
    except StoreFailed as error:
        _say(str(error))
        sys.exit(2)
    finally:
        await core.services.stopService()
    sys.exit(0 if allowed else 1)


def _attempt(options: Namespace) -> Attempt:
    server_of(options.sender)
    if options.room is not None:
        check_room_id(options.room)
    threepid = None if options.address is None else canonical(options.medium, options.address)
    return Attempt(options.sender, options.room, threepid)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="mxisd-policy", description="Try out who may invite whom.")
    parser.add_argument("-c", "--config", default="mxisd.yaml", help="the configuration file (mxisd.yaml)")
    actions: Any = parser.add_subparsers(dest="action", required=True)
    explained = actions.add_parser("explain", help="tell how an invite would be judged; nothing is sent")
    explained.add_argument("--sender", required=True, help="the user ID of who invites")
    explained.add_argument("--address", help="whom; without it, an event that keeps its address to itself")
    explained.add_argument("--medium", default="email", help="of the address: email or msisdn (email)")
    explained.add_argument("--room", help="the room ID; without it, a room that is yet to be created")
    explained.add_argument("--role", action="append", help="a role of the sender's, instead of asking the stores")
    return parser
