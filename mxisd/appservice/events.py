"""The room events that the homeserver sends."""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Struct, field


class Event(Struct, frozen=True):
    """An event in the form that clients get (client-server API, "Room event format")."""

    type: str
    room_id: str
    sender: str
    event_id: str
    state_key: str | None = None
    content: dict[str, Any] = field(default_factory=dict)
    unsigned: dict[str, Any] = field(default_factory=dict)

    def invites(self, user_id: str) -> bool:
        """Whether it is an invite for a user."""
        return self._makes(user_id, "invite")

    def lets_in(self, user_id: str) -> bool:
        """Whether a user has joined by it."""
        return self._makes(user_id, "join")

    @property
    def invite_token(self) -> str | None:
        """The token of the 3PID invite that a membership came of, by this event or by the one before it."""
        before = self.unsigned.get("prev_content")
        return token_in(self.content) or (token_in(before) if isinstance(before, dict) else None)

    def _makes(self, user_id: str, membership: str) -> bool:
        return self.type == "m.room.member" and (self.state_key, self.content.get("membership")) == (
            user_id,
            membership,
        )


def token_in(membership: dict[str, Any]) -> str | None:
    """The token of the 3PID invite in the content of an ``m.room.member`` event."""
    try:
        token = membership["third_party_invite"]["signed"]["token"]
    except (KeyError, TypeError):
        return None
    return token if isinstance(token, str) else None


class Reaction(Protocol):
    """Something that is done upon certain events."""

    async def see(self, event: Event) -> None:
        """
        Look at an event, and at every one of them.

        Returns soon: the homeserver tells nothing else until then.  What is raised makes the homeserver tell the event
        again, so that is for events that must not be missed.
        """
        ...
