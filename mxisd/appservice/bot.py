"""The main user of the application service: in rooms to tidy them up, in direct chats to take commands."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..log import Logger
from ..matrix.homeserver import Homeserver, HomeserverRefused
from ..matrix.ids import is_user_of, server_of
from ..net.errors import OutboundError
from ..stores.store import Roles
from ..waiting import background
from .commands import Commands
from .events import Event
from .users import NotOurs, Users

log = Logger()

STRANGER = "Only users of my homeserver can invite me"
NO_ADMINISTRATOR = "Only administrators can talk to me"
ENCRYPTED = "I cannot read encrypted messages: please invite me to a chat without encryption."
# Join rules by which somebody in the room decides who comes in.
_CLOSED = ("invite", "knock")
FAILED = "That failed; the log of mxisd tells why."


class Bot:
    """
    Follows invites of local users into rooms, and answers administrators in direct chats.

    Administrators have one of ``allowed_roles``.  Others are refused, and the bot leaves their chat; where others read
    along, or may do so later, it says nothing.  Without ``commands`` there are no administrators.
    """

    def __init__(
        self,
        homeserver: Homeserver,
        users: Users,
        user_id: str,
        profiles: Roles,
        allowed_roles: Collection[str],
        commands: Commands | None,
    ) -> None:
        self._homeserver = homeserver
        self._users = users
        self._user_id = user_id
        self._profiles = profiles
        self._allowed_roles = allowed_roles
        self._commands = commands

    async def see(self, event: Event) -> None:
        """See :class:`~mxisd.appservice.events.Reaction`; acts by itself, since nothing depends on it."""
        if event.sender == self._user_id:
            return
        if event.invites(self._user_id):
            background(f"the answer to the invite {event.event_id}", self._answer_invite(event))
        elif _is_command(event):
            background(f"the answer to the message {event.event_id}", self._answer_message(event))

    async def check(self) -> None:
        """Make sure that there is our user, and say so if it is somebody else's."""
        try:
            await self._is_ours()
        except (HomeserverRefused, OutboundError) as error:
            log.info("whether {user_id} is ours is not known yet: {error}", user_id=self._user_id, error=error)

    async def _is_ours(self) -> bool:
        try:
            await self._users.register(self._user_id)
            await self._users.check(self._user_id)
        except NotOurs as error:
            log.error("the user of the application service does nothing: {error}", error=error)
            return False
        return True

    async def _answer_invite(self, event: Event) -> None:
        if not await self._is_ours():
            return
        if not self._is_local(event.sender):
            await self._homeserver.leave(self._user_id, event.room_id, STRANGER)
        elif event.content.get("is_direct") is not True:
            await self._homeserver.join(self._user_id, event.room_id)
        elif await self._is_administrator(event.sender):
            await self._homeserver.join(self._user_id, event.room_id)
            if await self._is_encrypted(event.room_id):
                await self._say(event, ENCRYPTED)
        else:
            await self._homeserver.leave(self._user_id, event.room_id, NO_ADMINISTRATOR)

    async def _answer_message(self, event: Event) -> None:
        if not await self._is_ours() or not await self._is_alone_with(event.sender, event.room_id):
            return
        if not await self._is_administrator(event.sender):
            await self._say(event, f"{NO_ADMINISTRATOR}.")
            await self._homeserver.leave(self._user_id, event.room_id, NO_ADMINISTRATOR)
        else:
            await self._say(event, await self._run(event.content["body"]))

    async def _run(self, line: str) -> str:
        if self._commands is None:
            return NO_ADMINISTRATOR
        try:
            return await self._commands.run(line)
        except Exception:
            log.failure("a command failed")
            return FAILED

    async def _say(self, event: Event, text: str) -> None:
        # The event's ID makes a second answer to it the same one, to the homeserver.
        await self._homeserver.say(self._user_id, event.room_id, text, f"mxisd{event.event_id}")

    async def _is_alone_with(self, user_id: str, room_id: str) -> bool:
        """Whether nobody else can read what is said, nor let themselves in to read it later."""
        try:
            if await self._homeserver.members(self._user_id, room_id) != {self._user_id, user_id}:
                return False
            if await self._homeserver.invited(self._user_id, room_id):
                return False
        except HomeserverRefused as error:
            if error.final:
                return False  # not in the room: we may be told of others too
            raise
        history = await self._state(room_id, "m.room.history_visibility")
        rules = await self._state(room_id, "m.room.join_rules")
        return history.get("history_visibility") != "world_readable" and rules.get("join_rule", "invite") in _CLOSED

    async def _is_encrypted(self, room_id: str) -> bool:
        return "algorithm" in await self._state(room_id, "m.room.encryption")

    async def _state(self, room_id: str, type_: str) -> dict[str, Any]:
        """The content of a state event; empty if there is none."""
        try:
            return await self._homeserver.state(self._user_id, room_id, type_)
        except HomeserverRefused as error:
            if error.final:
                return {}
            raise

    async def _is_administrator(self, user_id: str) -> bool:
        if self._commands is None or not self._is_local(user_id):
            return False
        return not set(self._allowed_roles).isdisjoint(await self._profiles.roles(user_id))

    def _is_local(self, user_id: str) -> bool:
        return is_user_of(user_id, server_of(self._user_id))


def _is_command(event: Event) -> bool:
    body = event.content.get("body")
    return (
        event.type == "m.room.message"
        and event.content.get("msgtype") == "m.text"
        and isinstance(body, str)
        and body.lstrip().startswith("!")
    )
