"""The user that expired invites are given to, and that rejects them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime

from ..log import Logger
from ..matrix.homeserver import Homeserver, HomeserverRefused, StrippedEvent
from ..net.errors import OutboundError
from ..services import Service
from ..waiting import Alarm, background
from .events import Event, token_in
from .users import Users

log = Logger()

REASON = "The invitation expired"

# Seconds.  What failed is tried again after one, and then after twice as long, up to this.
LAST_RETRY = 300.0
# Without any news, the homeserver is asked so often whether something was missed.
SWEEP = 3600.0


class ExpiryUser(Service):
    """
    Leaves every room that its user is invited to, or is in.

    Which ones those are, the homeserver knows: it is asked at the start, so that nothing has to be kept here.  Before a
    room is left, the ``m.room.third_party_invite`` event is emptied if the main user may do that: clients would show
    it as pending again.
    """

    def __init__(self, homeserver: Homeserver, users: Users, user_id: str, main_user: str, clock: IReactorTime) -> None:
        self._homeserver = homeserver
        self._users = users
        self._user_id = user_id
        self._main_user = main_user
        self._clock = clock
        self._rooms: dict[str, set[str]] = {}
        """The rooms to leave, with the tokens of the invites that led there."""
        self._swept_at = float("-inf")
        self._news = Alarm(clock)
        self._work: Deferred[None] = Deferred()

    async def see(self, event: Event) -> None:
        """See :class:`~mxisd.appservice.events.Reaction`."""
        if event.invites(self._user_id) or event.lets_in(self._user_id):
            self._add(event.room_id, [event.content])
            self._news.ring()

    def startService(self) -> None:
        super().startService()
        self._work = background("the rejection of expired invites", self._run())

    def stopService(self) -> None:
        super().stopService()
        self._work.cancel()

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                await self._users.register(self._user_id)
                await self._sweep()
                done = await self._leave_all()
            except (HomeserverRefused, OutboundError) as error:
                log.warn("the homeserver does not let expired invites be rejected: {error}", error=error)
                done = False
            except CancelledError:
                raise
            except Exception:
                log.failure("expired invites could not be rejected")
                done = False
            if not self.running:
                return  # what was cancelled failed as if the homeserver were away
            failures = 0 if done else failures + 1
            await self._news.wait(SWEEP if done else min(2.0 ** (failures - 1), LAST_RETRY))

    async def _sweep(self) -> None:
        """Ask which rooms there are, if that was not done for long."""
        if self._clock.seconds() < self._swept_at + SWEEP:
            return
        invited, joined = await self._homeserver.rooms(self._user_id)
        for room_id, events in invited.items():
            self._add(room_id, self._own(events))
        for room_id in joined:
            self._add(room_id, ())
        self._swept_at = self._clock.seconds()

    def _add(self, room_id: str, memberships: Iterable[dict[str, Any]]) -> None:
        tokens = filter(None, map(token_in, memberships))
        self._rooms.setdefault(room_id, set()).update(tokens)

    def _own(self, events: Iterable[StrippedEvent]) -> list[dict[str, Any]]:
        return [event.content for event in events if (event.type, event.state_key) == ("m.room.member", self._user_id)]

    async def _leave_all(self) -> bool:
        """Whether no room is left that could not be left.  Raises :class:`OutboundError`."""
        for room_id in tuple(self._rooms):
            tokens = self._rooms.pop(room_id)
            try:
                for token in tokens:
                    await self._empty(room_id, token)
                await self._homeserver.leave(self._user_id, room_id, REASON)
            except (HomeserverRefused, OutboundError) as error:
                log.warn("the invite to {room_id} was not rejected: {error}", room_id=room_id, error=error)
                if isinstance(error, HomeserverRefused) and error.final:
                    # There is nothing to reject; if there is, the next sweep finds it.
                    continue
                # To the end: others may fare better.
                self._rooms.setdefault(room_id, set()).update(tokens)
                if isinstance(error, OutboundError):
                    raise
            else:
                log.info("an expired invite to {room_id} was rejected", room_id=room_id)
        return not self._rooms

    async def _empty(self, room_id: str, token: str) -> None:
        try:
            await self._users.register(self._main_user)
            await self._homeserver.set_state(self._main_user, room_id, "m.room.third_party_invite", token, {})
        except HomeserverRefused as error:
            if not error.final:
                raise
            log.debug("the invite stays in the state of {room_id}: {error}", room_id=room_id, error=error)
