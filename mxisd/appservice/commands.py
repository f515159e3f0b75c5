"""The commands that an administrator can send in a direct chat."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import NamedTuple

from ..invites.lifecycle import InviteLifecycle
from ..lookup.source import AddressLookup
from ..matrix.ids import InvalidIdentifier
from ..matrix.threepid import InvalidAddress, canonical, readable
from ..storage.contract import InviteStorage, OutboxStorage
from ..storage.records import Delivery, Invite

PAGE = 20

_PAGE = re.compile(r"[1-9][0-9]{0,8}")


class _Command(NamedTuple):
    usage: str
    purpose: str
    run: Callable[..., Awaitable[str]]
    arguments: range
    """How many there may be."""


class Commands:
    """Runs a line of text as a command, and answers with text."""

    def __init__(
        self, invites: InviteStorage, outbox: OutboxStorage, lifecycle: InviteLifecycle, lookup: AddressLookup
    ) -> None:
        self._invites = invites
        self._outbox = outbox
        self._lifecycle = lifecycle
        self._lookup = lookup
        self._commands = {
            ("!help",): _Command("!help", "this list", self._help, range(1)),
            ("!ping",): _Command("!ping", "whether I am there", self._ping, range(1)),
            ("!lookup",): _Command("!lookup <medium> <address>", "whose an address is", self._look_up, range(2, 3)),
            ("!invite", "list"): _Command(
                "!invite list [page]", "the pending invites, the oldest first", self._list, range(2)
            ),
            ("!invite", "show"): _Command("!invite show <id>", "all about an invite", self._show, range(1, 2)),
            ("!invite", "revoke"): _Command("!invite revoke <id>", "let it expire now", self._revoke, range(1, 2)),
            ("!invite", "resolve"): _Command(
                "!invite resolve <id> <user ID>", "give it to a user", self._resolve, range(2, 3)
            ),
        }

    async def run(self, line: str) -> str:
        """The answer to a line."""
        words = line.split()
        for length in (2, 1):
            command = self._commands.get(tuple(words[:length]))
            if command is not None:
                arguments = words[length:]
                if len(arguments) not in command.arguments:
                    return f"Usage: {command.usage}"
                return await command.run(*arguments)
        return f"I do not know this command.\n{await self._help()}"

    async def _help(self) -> str:
        return "\n".join(f"{command.usage}: {command.purpose}" for command in self._commands.values())

    async def _ping(self) -> str:
        return "Pong!"

    async def _look_up(self, medium: str, address: str) -> str:
        try:
            user_id = await self._lookup.find(canonical(medium, address))
        except InvalidAddress as error:
            return f"Not an address: {error}"
        return "Nobody is known by this address." if user_id is None else f"It belongs to {user_id}"

    async def _list(self, page: str = "1") -> str:
        if not _PAGE.fullmatch(page):
            return "Usage: !invite list [page], where pages are counted from 1"
        # One more tells whether there is another page.
        found = await self._invites.page(ended=False, offset=(int(page) - 1) * PAGE, limit=PAGE + 1)
        if not found:
            return "No invite is pending." if page == "1" else "There is no such page."
        lines = [_line(invite) for invite in found[:PAGE]]
        if len(found) > PAGE:
            lines.append(f"More: !invite list {int(page) + 1}")
        return "\n".join(lines)

    async def _show(self, token: str) -> str:
        invite = await self._invites.get(token)
        if invite is None:
            return "There is no invite with this ID."
        return "\n".join([*_details(invite), *map(_delivery, await self._outbox.of_invite(token))])

    async def _revoke(self, token: str) -> str:
        return _ended(await self._lifecycle.expire(token))

    async def _resolve(self, token: str, user_id: str) -> str:
        try:
            return _ended(await self._lifecycle.resolve(token, user_id))
        except InvalidIdentifier as error:
            return f"Not a user ID: {error}"


def _line(invite: Invite) -> str:
    return (
        f"{invite.token}: {readable(invite.threepid)} to {invite.room_id} by {invite.sender}, {_time(invite.created)}"
    )


def _details(invite: Invite) -> list[str]:
    lines = [
        f"{invite.threepid.medium} {readable(invite.threepid)}",
        f"Room: {invite.room_id}",
        f"Invited by: {invite.sender}{'' if invite.proven else ', which anybody may have said'}",
        f"Since: {_time(invite.created)}",
        *(f"Signed for {user_id}: {_time(at)}" for user_id, at in invite.signed_by.items()),
    ]
    if invite.ended is None:
        return [*lines, "Pending"]
    to = f", given to {invite.user_id}" if invite.user_id else ""
    return [*lines, f"Ended: {invite.ended}, {_time(invite.ended_at or 0)}{to}"]


def _delivery(delivery: Delivery) -> str:
    what = "Message" if delivery.kind == "message" else f"Notice to {delivery.destination}"
    answer = f", last answer: {delivery.answer}" if delivery.answer else ""
    next_ = f", due {_time(delivery.due)}" if delivery.state == "queued" else ""
    return f"{what} of {_time(delivery.created)}: {delivery.state}, attempts: {delivery.attempts}{answer}{next_}"


def _ended(invite: Invite | None) -> str:
    if invite is None:
        return "No invite with this ID is pending."
    return f"Done: the invite of {readable(invite.threepid)} to {invite.room_id} goes to {invite.user_id}."


def _time(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
