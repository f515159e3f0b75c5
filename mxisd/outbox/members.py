"""Who is in a room already, and must not be invited into it by an address any more."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from ..clock import DAY, now
from ..storage.once import CooldownStorage

# As long as the history of invites is kept, if nothing else is configured.
REMEMBERED = 90 * DAY


class Members:
    """
    Remembers who was seen to be invited by user ID, or to have joined, in rooms that addresses were invited to.

    A homeserver that is told of an invite to a member makes an invitee of that member again.  It is remembered by
    cooldowns: until one ends, the user is not to be invited there.
    """

    def __init__(self, cooldowns: CooldownStorage, clock: IReactorTime, *, told: bool) -> None:
        """``told`` is whether anybody tells us of members; if not, no room is watched."""
        self._cooldowns = cooldowns
        self._clock = clock
        self._told = told

    async def watch(self, room_id: str) -> None:
        """An address was invited into a room: from now on its members matter."""
        if self._told:
            await self._note(f"watch {room_id}", REMEMBERED)

    async def saw(self, room_id: str, user_id: str, period: int = REMEMBERED) -> None:
        """A user was invited to a room, or has joined; after ``period`` ms that says nothing any more."""
        if await self._cooldowns.is_running(f"watch {room_id}", now(self._clock)):
            await self._note(f"member {user_id} {room_id}", period)

    async def left(self, room_id: str, user_id: str) -> None:
        """A user is not in a room, or not any more."""
        if await self._cooldowns.is_running(f"watch {room_id}", now(self._clock)):
            await self._cooldowns.end(f"member {user_id} {room_id}", now(self._clock))

    async def has(self, room_id: str, user_id: str) -> bool:
        """Whether a user is in a room, or invited there, as far as is known here."""
        return self._told and await self._cooldowns.is_running(f"member {user_id} {room_id}", now(self._clock))

    async def _note(self, name: str, period: int) -> None:
        # From now on, though it may be running already.
        await self._cooldowns.end(name, now(self._clock))
        await self._cooldowns.take(name, now(self._clock), period)
