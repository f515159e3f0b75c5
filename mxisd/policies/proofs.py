"""
What was judged in front of the homeserver, for when the homeserver itself asks for it a moment later.

Version 1 of the API asks for no token: who sends an invite, or adds a phone number, is anybody's claim there.
"""

from __future__ import annotations

from hashlib import sha256

from msgspec import json
from twisted.internet.interfaces import IReactorTime

from ..clock import MINUTE, now
from ..matrix.threepid import ThreePid
from ..storage.once import CooldownStorage
from .invite import Attempt

# The homeserver asks at once.
VALID = MINUTE


class Proofs:
    """Each proof is good once, for a minute, and in whichever process is asked."""

    def __init__(self, cooldowns: CooldownStorage, clock: IReactorTime) -> None:
        self._cooldowns = cooldowns
        self._clock = clock

    async def note_invite(self, attempt: Attempt) -> None:
        """The sender of an attempt is who it says, and may invite."""
        if attempt.threepid is not None:
            await self._note("invite", attempt.sender, attempt.room_id or "", attempt.threepid)

    async def take_invite(self, attempt: Attempt) -> bool:
        """Whether that was noted of an attempt, or of one for a room that was yet to be created."""
        for room_id in (attempt.room_id or "", ""):
            if await self._take("invite", attempt.sender, room_id, attempt.threepid):
                return True
        return False

    async def note_validation(self, threepid: ThreePid) -> None:
        """Somebody with an account adds an address to it."""
        await self._note("validation", *threepid)

    async def take_validation(self, threepid: ThreePid) -> bool:
        """Whether that was noted."""
        return await self._take("validation", *threepid)

    async def _note(self, *what: object) -> None:
        await self._cooldowns.take(_name(what), now(self._clock), VALID)

    async def _take(self, *what: object) -> bool:
        return await self._cooldowns.end(_name(what), now(self._clock))


def _name(what: object) -> str:
    # Addresses do not belong where nobody looks for them.
    return f"proof {sha256(json.encode(what)).hexdigest()}"
