"""Our homeserver, as its application service sees it (specification: application service API, client-server API)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from msgspec import Struct, field

from ..net.http_client import Http
from .error import ErrorBody, read_error

T = TypeVar("T")

# Seconds.  To leave a room of another server takes that server's time too.
TIMEOUT = 60.0
# The invites of a user who rejects them are few, unless that was not possible for long.
MAX_SYNC_BYTES = 64 * 1024 * 1024

# Nothing but which rooms there are, and how one was invited to them.
_SYNC_FILTER = (
    '{"room":{"timeline":{"limit":1,"types":[]},"state":{"types":[]},"ephemeral":{"types":[]},'
    '"account_data":{"types":[]}},"presence":{"types":[]},"account_data":{"types":[]}}'
)


class HomeserverRefused(Exception):
    """The homeserver answered with an error."""

    def __init__(self, status: int, error: ErrorBody) -> None:
        super().__init__(f"{status} {error}")
        self.status = status
        self.errcode = error.errcode

    @property
    def final(self) -> bool:
        """Whether the same request would be refused again: neither an error of the server's nor of its load."""
        return 400 <= self.status < 500 and self.status not in (401, 408, 429)


class StrippedEvent(Struct):
    """A state event as those see it who are invited (client-server API, "Stripped state")."""

    type: str
    sender: str = ""
    state_key: str = ""
    content: dict[str, Any] = field(default_factory=dict)


class _InviteState(Struct):
    events: list[StrippedEvent] = field(default_factory=list)


class _InvitedRoom(Struct):
    invite_state: _InviteState = field(default_factory=_InviteState)


class _Rooms(Struct):
    invite: dict[str, _InvitedRoom] = field(default_factory=dict)
    join: dict[str, Any] = field(default_factory=dict)


class _Sync(Struct):
    rooms: _Rooms = field(default_factory=_Rooms)


class _Members(Struct):
    joined: dict[str, Any]


class _Member(Struct):
    state_key: str


class _MemberEvents(Struct):
    chunk: list[_Member]


class _WhoAmI(Struct):
    user_id: str


class _Devices(Struct):
    devices: list[Any]


class _Name(Struct):
    displayname: str | None = None


class Homeserver:
    """
    Acts as any user of the application service.

    All methods raise :class:`HomeserverRefused`, or :class:`~mxisd.net.errors.OutboundError` if there is no answer.
    """

    def __init__(self, http: Http, base_url: str, token: str) -> None:
        """``token`` is the ``as_token`` of the registration."""
        self._http = http
        self._base_url = base_url
        self._headers = {"Authorization": f"Bearer {token}"}

    async def register(self, localpart: str) -> bool:
        """Make a user of the application service; ``False``, and no effect, if there is a user of the name."""
        try:
            await self._call(
                "POST",
                "/register",
                None,
                {"type": "m.login.application_service", "username": localpart, "inhibit_login": True},
            )
        except HomeserverRefused as error:
            if error.errcode != "M_USER_IN_USE":
                raise
            return False
        return True

    async def is_unattended(self, user_id: str) -> bool:
        """
        Whether a user is ours to act as, and nobody has logged in as this user: then there would be a device.

        It takes both: homeservers let us act as a person who had the name before we did.
        """
        who = await self._call("GET", "/account/whoami", user_id, answer=_WhoAmI)
        return who.user_id == user_id and not (await self._call("GET", "/devices", user_id, answer=_Devices)).devices

    async def rooms(self, user_id: str) -> tuple[dict[str, list[StrippedEvent]], list[str]]:
        """The rooms that a user is invited to, with what is known of each, and the rooms that they are in."""
        sync = await self._call(
            "GET", f"/sync?{urlencode({'filter': _SYNC_FILTER})}", user_id, answer=_Sync, max_bytes=MAX_SYNC_BYTES
        )
        return {room_id: room.invite_state.events for room_id, room in sync.rooms.invite.items()}, list(sync.rooms.join)

    async def join(self, user_id: str, room_id: str) -> None:
        """Accept an invite."""
        await self._call("POST", f"/rooms/{_segment(room_id)}/join", user_id, {})

    async def leave(self, user_id: str, room_id: str, reason: str) -> None:
        """Leave a room, or reject the invite to it."""
        await self._call("POST", f"/rooms/{_segment(room_id)}/leave", user_id, {"reason": reason})

    async def members(self, user_id: str, room_id: str) -> set[str]:
        """The user IDs of those who are in a room that the user is in."""
        path = f"/rooms/{_segment(room_id)}/joined_members"
        return set((await self._call("GET", path, user_id, answer=_Members)).joined)

    async def invited(self, user_id: str, room_id: str) -> set[str]:
        """The user IDs of those who are invited to a room that the user is in."""
        path = f"/rooms/{_segment(room_id)}/members?membership=invite"
        return {event.state_key for event in (await self._call("GET", path, user_id, answer=_MemberEvents)).chunk}

    async def state(self, user_id: str, room_id: str, type_: str, state_key: str = "") -> dict[str, Any]:
        """The content of a state event of a room that the user is in."""
        return await self._call("GET", _state_path(room_id, type_, state_key), user_id, answer=dict[str, Any])

    async def set_state(
        self, user_id: str, room_id: str, type_: str, state_key: str, content: Mapping[str, object]
    ) -> None:
        """Send a state event."""
        await self._call("PUT", _state_path(room_id, type_, state_key), user_id, content)

    async def say(self, user_id: str, room_id: str, text: str, txn_id: str) -> None:
        """Send a notice; the same ``txn_id`` again sends nothing."""
        path = f"/rooms/{_segment(room_id)}/send/m.room.message/{_segment(txn_id)}"
        await self._call("PUT", path, user_id, {"msgtype": "m.notice", "body": text})

    async def display_name(self, user_id: str) -> str | None:
        """What a user, of whichever server, calls themself."""
        return (await self._call("GET", f"/profile/{_segment(user_id)}/displayname", None, answer=_Name)).displayname

    async def _call(
        self,
        method: str,
        path: str,
        user_id: str | None,
        body: Mapping[str, object] | None = None,
        *,
        answer: type[T] = dict[str, Any],  # type: ignore[assignment]  # the default of a generic parameter
        max_bytes: int = 1024 * 1024,
    ) -> T:
        url = f"{self._base_url}/_matrix/client/v3{path}"
        if user_id is not None:
            url += ("&" if "?" in path else "?") + urlencode({"user_id": user_id})
        answered = await self._http.request(
            method, url, headers=self._headers, json=body, timeout=TIMEOUT, max_bytes=max_bytes
        )
        if answered.status != 200:
            raise HomeserverRefused(answered.status, read_error(answered.body))
        return answered.decode(answer)


def _segment(text: str) -> str:
    return quote(text, safe="")


def _state_path(room_id: str, type_: str, state_key: str) -> str:
    return f"/rooms/{_segment(room_id)}/state/{_segment(type_)}/{_segment(state_key)}"
