"""A homeserver in memory, with as much of the client-server API as an application service of ours needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from msgspec import json as msgspec_json

from mxisd.net.errors import ConnectionFailed
from mxisd.net.http_client import HttpResponse

DOMAIN = "example.org"
TOKEN = "as token"
MAIN = f"@mxisd:{DOMAIN}"
EXPIRY = f"@_mxisd_invite-expired:{DOMAIN}"


class Room:
    def __init__(self) -> None:
        self.members: dict[str, str] = {}
        self.powers: dict[str, int] = {}
        self.state: dict[tuple[str, str], dict[str, Any]] = {}
        self.messages: list[tuple[str, str]] = []
        """Who said what."""
        self.reasons: list[str] = []
        """Why those left who left."""


class Refusal(Exception):
    def __init__(self, status: int, errcode: str) -> None:
        self.status = status
        self.errcode = errcode


class FakeHomeserver:
    """Answers requests as :class:`mxisd.net.http_client.Http`, for the token of the application service."""

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}
        self.registered: set[str] = set()
        self.devices: dict[str, list[str]] = {}
        """Those that somebody has logged in from."""
        self.names: dict[str, str] = {}
        self.requests: list[str] = []
        """Method and path, without what is before ``/v3`` and without the query."""
        self.down = False
        self.refusal: Callable[[str], Refusal | None] = lambda request: None
        """What to refuse, and how."""
        self._sent: set[str] = set()

    def room(self, room_id: str = "!room:example.org", **members: str) -> Room:
        """A room with local users and their memberships."""
        room = self.rooms.setdefault(room_id, Room())
        room.members |= {f"@{name}:{DOMAIN}": membership for name, membership in members.items()}
        return room

    def invite(self, room_id: str, user_id: str, token: str | None = None) -> dict[str, Any]:
        """Invite a user, by a 3PID if ``token`` is given; the event."""
        content: dict[str, Any] = {"membership": "invite"}
        room = self.room(room_id)
        if token is not None:
            content["third_party_invite"] = {"signed": {"token": token, "mxid": user_id}}
            room.state["m.room.third_party_invite", token] = {"display_name": "b…@e…", "public_key": "key"}
        room.members[user_id] = "invite"
        room.state["m.room.member", user_id] = content
        return {
            "type": "m.room.member",
            "room_id": room_id,
            "sender": f"@alice:{DOMAIN}",
            "event_id": f"$invite-{room_id}-{token}",
            "state_key": user_id,
            "content": content,
        }

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        json: object = None,
        timeout: float = 10.0,
        max_bytes: int = 1024 * 1024,
        redirects: int = 0,
        connect_to: tuple[str, int] | None = None,
    ) -> HttpResponse:
        if self.down:
            raise ConnectionFailed("the homeserver is down")
        parts = urlsplit(url)
        path = parts.path.removeprefix("/_matrix/client/v3")
        user_id = parse_qs(parts.query).get("user_id", [MAIN])[0]
        self.requests.append(f"{method} {unquote(path)}")
        try:
            if (headers or {}).get("Authorization") != f"Bearer {TOKEN}":
                raise Refusal(401, "M_UNKNOWN_TOKEN")
            if refusal := self.refusal(self.requests[-1]):
                raise refusal
            if path != "/register" and user_id not in self.registered | {MAIN} and user_id in (MAIN, EXPIRY):
                raise Refusal(403, "M_FORBIDDEN")
            sent: Any = json
            answer = self._answer(method, [unquote(segment) for segment in path.split("/")[1:]], user_id, sent)
        except Refusal as refusal:
            return HttpResponse(refusal.status, {}, msgspec_json.encode({"errcode": refusal.errcode, "error": "No"}))
        return HttpResponse(200, {}, msgspec_json.encode(answer))

    def _answer(self, method: str, path: list[str], user_id: str, body: Any) -> object:
        match method, *path:
            case "POST", "register":
                return self._register(body)
            case "GET", "account", "whoami":
                return {"user_id": user_id}
            case "GET", "devices":
                return {"devices": [{"device_id": device} for device in self.devices.get(user_id, [])]}
            case "GET", "sync":
                return {"rooms": self._sync(user_id)}
            case "GET", "profile", who, "displayname":
                return {"displayname": self.names[who]} if who in self.names else {}
            case "POST", "rooms", room_id, ("join" | "leave") as change:
                return self._change(self._known(room_id), user_id, change, body.get("reason"))
        room = self._known(path[1])
        if room.members.get(user_id) != "join":
            raise Refusal(403, "M_FORBIDDEN")
        match method, *path[2:]:
            case "GET", "joined_members":
                return {"joined": {who: {} for who, membership in room.members.items() if membership == "join"}}
            case "GET", "members":
                invited = [who for who, membership in room.members.items() if membership == "invite"]
                return {"chunk": [{"type": "m.room.member", "state_key": who} for who in invited]}
            case "GET", "state", type_, key:
                if (type_, key) not in room.state:
                    raise Refusal(404, "M_NOT_FOUND")
                return room.state[type_, key]
            case "PUT", "state", type_, key:
                if room.powers.get(user_id, 0) < 50:
                    raise Refusal(403, "M_FORBIDDEN")
                room.state[type_, key] = body
            case "PUT", "send", "m.room.message", txn_id:
                if txn_id not in self._sent:
                    self._sent.add(txn_id)
                    room.messages.append((user_id, body["body"]))
            case _:
                raise Refusal(404, "M_UNRECOGNIZED")
        return {"event_id": "$event"}

    def _register(self, body: Any) -> object:
        user_id = f"@{body['username']}:{DOMAIN}"
        if body["type"] != "m.login.application_service" or not body["inhibit_login"]:
            raise Refusal(400, "M_UNKNOWN")
        if user_id in self.registered:
            raise Refusal(400, "M_USER_IN_USE")
        self.registered.add(user_id)
        return {"user_id": user_id}

    def _sync(self, user_id: str) -> object:
        invited = {
            room_id: {
                "invite_state": {
                    "events": [
                        {"type": type_, "state_key": key, "sender": f"@alice:{DOMAIN}", "content": content}
                        for (type_, key), content in room.state.items()
                        if type_ == "m.room.member"
                    ]
                }
            }
            for room_id, room in self.rooms.items()
            if room.members.get(user_id) == "invite"
        }
        joined: dict[str, object] = {
            room_id: {} for room_id, room in self.rooms.items() if room.members.get(user_id) == "join"
        }
        return {"invite": invited, "join": joined}

    def _known(self, room_id: str) -> Room:
        if room_id not in self.rooms:
            raise Refusal(404, "M_NOT_FOUND")
        return self.rooms[room_id]

    def _change(self, room: Room, user_id: str, change: str, reason: str | None) -> object:
        if room.members.get(user_id) not in ("invite", "join"):
            raise Refusal(403, "M_FORBIDDEN")
        room.members[user_id] = change
        if reason is not None:
            room.reasons.append(reason)
        return {}
