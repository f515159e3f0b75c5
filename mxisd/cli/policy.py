"""``mxisd policy``: try out who may invite whom."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from ..config import Config
from ..core import Core, DryEnds
from ..matrix.ids import check_room_id, server_of
from ..matrix.threepid import EMAIL, canonical
from ..policies.invite import Attempt, InvitePolicy
from ..reactor import IReactor
from ..stores.build import build as build_stores
from ..stores.stores import Stores
from .command import ExitCode, Invocation, Subcommands
from .output import Output


def add(subcommands: Subcommands) -> None:
    """Declare the subcommands of this module, and their options."""
    parser = subcommands.add("policy explain", run_explain, "tell how an invite would be judged; nothing is sent")
    parser.add_argument("--sender", required=True, help="the user ID of who invites")
    parser.add_argument("--address", help="whom; without it, an event that keeps its address to itself")
    parser.add_argument("--medium", default=EMAIL, help="of the address: email or msisdn (email)")
    parser.add_argument("--room", help="the room ID; without it, a room that is yet to be created")
    parser.add_argument("--role", action="append", help="a role of the sender, instead of asking the identity stores")


async def run_explain(invocation: Invocation) -> ExitCode:
    """Judge an invite; the answer is yes if it is allowed."""
    options = invocation.options
    attempt = _attempt(options)
    config = invocation.config()
    if options.role is not None:
        allowed = await explain(
            InvitePolicy(config.invite.policy, GivenRoles(options.role)), attempt, invocation.output
        )
    else:
        async with _running_stores(config, invocation.reactor) as stores:
            allowed = await explain(InvitePolicy(config.invite.policy, stores), attempt, invocation.output)
    return ExitCode.YES if allowed else ExitCode.NO


async def explain(policy: InvitePolicy, attempt: Attempt, output: Output) -> bool:
    """
    Print how the policy decides about an invite, a line for each step; whether it is allowed.

    Raises :class:`~mxisd.stores.stores.StoreFailed`.
    """
    decision = await policy.decide(attempt)
    for step in decision.steps:
        output.line(step)
    output.line(f"the invite is {'allowed' if decision.allowed else 'refused'}", allowed=decision.allowed)
    return decision.allowed


class GivenRoles:
    """Everybody has these roles."""

    def __init__(self, roles: Sequence[str]) -> None:
        self._roles = frozenset(roles)

    async def roles(self, user_id: str) -> frozenset[str]:
        return self._roles


@asynccontextmanager
async def _running_stores(config: Config, reactor: IReactor) -> AsyncIterator[Stores]:
    """The identity stores, until the context ends.  Raises :class:`~mxisd.errors.StartError`."""
    core = Core(config, reactor, DryEnds())
    stores = build_stores(core)
    core.services.startService()
    try:
        yield stores
    finally:
        await core.services.stopService()


def _attempt(options: Namespace) -> Attempt:
    server_of(options.sender)
    if options.room is not None:
        check_room_id(options.room)
    threepid = None if options.address is None else canonical(options.medium, options.address)
    return Attempt(options.sender, options.room, threepid)
