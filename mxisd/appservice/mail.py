"""Mail to local users about invites by user ID."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from twisted.internet import task
from twisted.internet.interfaces import IReactorTime

from ..limits.limits import RateLimits
from ..log import Logger
from ..matrix.error import MatrixError
from ..matrix.homeserver import Homeserver, HomeserverRefused, StrippedEvent
from ..matrix.ids import is_user_of
from ..matrix.threepid import EMAIL, ThreePid
from ..net.errors import OutboundError
from ..notify import MatrixIdInvite, MessageSender, SendFailed
from ..stores.store import UserAddresses
from ..waiting import background
from .events import Event

log = Logger()

# Seconds between attempts.  The invite itself is with the user's client, so that more would be too much.
RETRIES = (10.0, 60.0, 600.0, 3600.0)


class InviteMail:
    """Writes to the email addresses that identity stores know of a local user who was invited."""

    def __init__(
        self,
        homeserver: Homeserver,
        profiles: UserAddresses,
        messages: MessageSender[MatrixIdInvite],
        clock: IReactorTime,
        domain: str,
        own_users: Collection[str],
        limits: RateLimits,
    ) -> None:
        """``own_users`` are those of the application service: nobody reads their mail."""
        self._homeserver = homeserver
        self._profiles = profiles
        self._messages = messages
        self._clock = clock
        self._domain = domain
        self._own_users = own_users
        self._limits = limits

    async def see(self, event: Event) -> None:
        """See :class:`~mxisd.appservice.events.Reaction`; sends by itself, since a mail server can take long."""
        if event.state_key is not None and event.invites(event.state_key) and self._is_news(event, event.state_key):
            background(f"mail about the invite {event.event_id}", self._write(event, event.state_key))

    def _is_news(self, event: Event, user_id: str) -> bool:
        before = event.unsigned.get("prev_content")
        return (
            is_user_of(user_id, self._domain)
            and user_id not in self._own_users
            # Whoever was invited by address has had mail.
            and "third_party_invite" not in event.content
            and not (isinstance(before, dict) and before.get("membership") == "invite")
        )

    async def _write(self, event: Event, user_id: str) -> None:
        known = [threepid for threepid in await self._profiles.threepids(user_id) if threepid.medium == EMAIL]
        addresses = [threepid for threepid in known if await self._may_write(threepid, event)]
        if not addresses:
            return
        sender_name = await self._sender_name(event)
        room_name = await self._of_room(event, "m.room.name", "name")
        room_type = await self._of_room(event, "m.room.create", "type")
        for address in addresses:
            await self._send(
                MatrixIdInvite(
                    threepid=address,
                    recipient=user_id,
                    sender=event.sender,
                    sender_name=sender_name,
                    room_id=event.room_id,
                    room_name=room_name,
                    room_type=room_type,
                )
            )

    async def _may_write(self, to: ThreePid, event: Event) -> bool:
        try:
            await self._limits.told_of_invite(to, event.sender)
        except MatrixError:
            return False
        return True

    async def _send(self, message: MatrixIdInvite) -> None:
        for delay in (*RETRIES, None):
            try:
                await self._messages.send(message)
            except SendFailed as error:
                what = "may not have been sent" if error.handed_over else "was not sent"
                log.warn("mail about an invite to {room_id} {what}", room_id=message.room_id, what=what)
                log.debug("{address}: {error}", address=message.threepid.address, error=error)
                # What was handed over has most likely arrived, and a second copy would be worse than none.
                if error.permanent or error.handed_over or delay is None:
                    return
                await task.deferLater(self._clock, delay)
            else:
                return

    async def _sender_name(self, event: Event) -> str:
        try:
            name = await self._homeserver.display_name(event.sender)
        except (HomeserverRefused, OutboundError):
            name = None
        return name or _told(event, "m.room.member", event.sender, "displayname")

    async def _of_room(self, event: Event, type_: str, field: str) -> str:
        """A field of a room's state; empty if we are not told."""
        # Who was invited cannot look into the room yet, but who invited them can.
        if is_user_of(event.sender, self._domain):
            try:
                value = (await self._homeserver.state(event.sender, event.room_id, type_)).get(field)
            except (HomeserverRefused, OutboundError):
                value = None
            if isinstance(value, str) and value:
                return value
        return _told(event, type_, "", field)


def _told(event: Event, type_: str, state_key: str, field: str) -> str:
    """What the invite itself says of the room and those in it; empty if that is nothing."""
    for state in _stripped(event.unsigned.get("invite_room_state")):
        value = state.content.get(field)
        if (state.type, state.state_key) == (type_, state_key) and isinstance(value, str):
            return value
    return ""


def _stripped(events: Any) -> Iterable[StrippedEvent]:
    try:
        return msgspec.convert(events or [], list[StrippedEvent])
    except msgspec.ValidationError:
        return []
