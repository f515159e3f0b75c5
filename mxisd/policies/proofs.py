"""
What was judged in front of the homeserver, for when the homeserver itself asks for it a moment later.

Version 1 of the API asks for no token: who sends an invite, or adds a phone number, is anybody's claim there.
"""

from __future__ import annotations

from hashlib import sha256

from msgspec import json
from twisted.internet.interfaces import IReactorTime

from ..clock import MINUTE, now
from ..limits.limits import RateLimits, Requester
from ..matrix.threepid import ThreePid
from ..storage.once import CooldownStorage
from .invite import Attempt

# The homeserver asks at once.
VALID = MINUTE


class Proofs:
    """
    Each proof is good once, for a minute, and in whichever process is asked.

    An invite counts against the rate limits where it is judged first: a homeserver does not pass our refusal on.
    """

    def __init__(
        self, cooldowns: CooldownStorage, limits: RateLimits, clock: IReactorTime, *, in_front: bool = True
    ) -> None:
        """``in_front``: whether anything is judged before the homeserver asks, so that there may be proofs."""
        self._in_front = in_front
        self._cooldowns = cooldowns
        self._limits = limits
        self._clock = clock

    async def note_invite(self, attempt: Attempt) -> None:
        """
        The sender of an attempt is who it says, and may invite.

        Raises :class:`~mxisd.matrix.error.MatrixError` ``M_LIMIT_EXCEEDED``: not that often.
        """
        if attempt.threepid is None:
            return
        await self.count_invite(attempt, Requester(attempt.sender, ""))
        await self._cooldowns.take(_invite(attempt, attempt.room_id or ""), now(self._clock), VALID)

    async def count_invite(self, attempt: Attempt, by: Requester) -> None:
        """Count an attempt against the rate limits, unless it was noted.  Raises what :meth:`note_invite` raises."""
        if attempt.threepid is not None and not await self._is_noted(attempt):
            await self._limits.invite(attempt.threepid, attempt.sender, by)

    async def _is_noted(self, attempt: Attempt) -> bool:
        current = now(self._clock)
        for room_id in _rooms(attempt) if self._in_front else ():
            if await self._cooldowns.is_running(_invite(attempt, room_id), current):
                return True
        return False

    async def take_invite(self, attempt: Attempt) -> bool:
        """Whether that was noted of an attempt, or of one for a room that was yet to be created."""
        current = now(self._clock)
        for room_id in _rooms(attempt):
            if await self._cooldowns.end(_invite(attempt, room_id), current):
                return True
        return False

    async def note_validation(self, threepid: ThreePid) -> None:
        """Somebody with an account adds an address to it."""
        await self._cooldowns.take(_validation(threepid), now(self._clock), VALID)

    async def take_validation(self, threepid: ThreePid) -> bool:
        """Whether that was noted."""
        return await self._cooldowns.end(_validation(threepid), now(self._clock))


def _rooms(attempt: Attempt) -> tuple[str, ...]:
    return (attempt.room_id, "") if attempt.room_id else ("",)


def _invite(attempt: Attempt, room_id: str) -> str:
    return _name(("invite", attempt.sender, room_id, attempt.threepid))


def _validation(threepid: ThreePid) -> str:
    return _name(("validation", *threepid))


def _name(what: object) -> str:
    # Addresses do not belong where nobody looks for them.
    return f"proof {sha256(json.encode(what)).hexdigest()}"
