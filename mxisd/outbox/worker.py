"""Works through the outbox: claims deliveries that are due, makes them, and retries with backoff."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from twisted.internet import task
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime

from ..clock import HOUR, Random, milliseconds, now
from ..log import Logger
from ..metrics import DELIVERIES
from ..services import Service
from ..storage.contract import OutboxStorage, StorageUnavailable
from ..storage.records import Delivery, Failure, Invite, State
from ..waiting import Alarm, background
from .courier import Courier, Outcome

log = Logger()

# A claim that is not renewed for so long was a dead process's.
LEASE = 30 * 1000
# Another process may have queued something, or died with a claim.  Seconds.
POLL = 3.0
# The first retry follows after a second; each later one after twice as long, up to an hour.
FIRST_RETRY = 1000
LAST_RETRY = HOUR
# With the delays above, an internal error may last about three hours.
MAX_ERRORS = 15
# Milliseconds between attempts at a repetition, at most.
LAST_INSISTENCE = 30 * 1000
# Seconds.  What may have had an effect is repeated no later: by then the effect may have been undone on purpose.
REPEAT_WITHIN = 300.0
# The store was not available in the middle of an attempt: try again after so long.  Seconds.
STORE_RETRY = 1.0
# Seconds.  An attempt that has taken longer gives its place to another: few that hang must not hold up all the others.
SLOW = 10.0
# So many times as many may be under way at most, with those that are slow.
WITH_SLOW_ONES = 4
# At a stop, attempts under way may take so long to come to an end.  Seconds.
STOP_TIMEOUT = 10.0


class _Attempt(NamedTuple):
    """One that is under way."""

    delivery: Delivery
    ended: Deferred[None]
    begun: float


class OutboxWorker(Service):
    """
    Delivers one kind from the outbox, at most ``at_once`` together and ``per_destination`` to one destination.

    Attempts that have become :data:`SLOW` do not count, as long as there are not too many of them.

    What has not been delivered within ``give_up_after`` is abandoned.  What is not repeatable and had an attempt
    without an outcome is repeated once, at once, or as soon within :data:`REPEAT_WITHIN` as the other side takes it; if
    that does not settle it either, its state is unknown.
    """

    def __init__(
        self,
        outbox: OutboxStorage,
        courier: Courier,
        clock: IReactorTime,
        random: Random,
        give_up_after: timedelta,
        per_destination: int = 4,
        at_once: int = 32,
    ) -> None:
        self._outbox = outbox
        self._courier = courier
        self._clock = clock
        self._random = random
        self._give_up_after = milliseconds(give_up_after)
        self._per_destination = per_destination
        self._at_once = at_once
        self._under_way: dict[str, _Attempt] = {}
        self._working: Deferred[None] = Deferred()
        self._due = Alarm(clock)
        self._renewal = task.LoopingCall(lambda: Deferred.fromCoroutine(self._renew()))
        self._renewal.clock = clock

    def wake(self) -> None:
        """Something was queued: look for it now."""
        self._due.ring()

    def startService(self) -> None:
        super().startService()
        self._renewal.start(LEASE / 3000, now=False)
        self._working = background(f"the delivery ({self._courier.kind})", self._work())

    def stopService(self) -> Deferred[Any]:
        """Begin nothing more, and let what is under way come to an end, if that does not take long."""
        super().stopService()
        self.wake()
        patience: Deferred[Any] = task.deferLater(self._clock, STOP_TIMEOUT)
        # A claim that is under way is given back, as long as there is a store.
        ended: Deferred[Any] = DeferredList([self._working, *(attempt.ended for attempt in self._under_way.values())])
        either = DeferredList([ended, patience], fireOnOneCallback=True, consumeErrors=True)
        return either.addCallback(self._stopped, patience)

    async def _work(self) -> None:
        while self.running:
            try:
                wait = await self._begin_due()
            except Exception as error:
                log.error("deliveries ({kind}) wait for the store: {error}", kind=self._courier.kind, error=error)
                wait = POLL
            await self._due.wait(wait)

    async def _begin_due(self) -> float:
        """Begin as many of the due deliveries as may be under way; return after how many seconds to look again."""
        while self.running and (room := self._room()):
            current = now(self._clock)
            busy = Counter(attempt.delivery.destination for attempt in self._brisk())
            claimed = await self._outbox.claim(self._courier.kind, current, LEASE, room, busy, self._per_destination)
            if not self.running:
                await self._give_back(claimed.deliveries)
                break
            for delivery in claimed.deliveries:
                self._begin(delivery, claimed.invites.get(delivery.token or ""))
            if claimed.next_due is None:
                break
            if claimed.next_due > current:
                return min((claimed.next_due - current) / 1000, POLL)
            if not claimed.deliveries:
                break
        # Nothing is queued, or all that is due waits for something under way, whose end wakes us.
        return POLL

    def _room(self) -> int:
        """How many more attempts may be begun."""
        return max(0, min(self._at_once - len(self._brisk()), WITH_SLOW_ONES * self._at_once - len(self._under_way)))

    def _brisk(self) -> list[_Attempt]:
        """What is under way, and not for long."""
        since = self._clock.seconds() - SLOW
        return [attempt for attempt in self._under_way.values() if attempt.begun > since]

    async def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        """What was claimed while the service stopped was not begun: whoever comes next has it at once."""
        for delivery in deliveries:
            await self._outbox.retry(delivery, now(self._clock), delivery.answer or "")

    def _begin(self, delivery: Delivery, invite: Invite | None) -> None:
        ended = background(f"the {delivery.kind} delivery {delivery.id}", self._attempt(delivery, invite))
        self._under_way[delivery.id] = _Attempt(delivery, ended, self._clock.seconds())
        ended.addCallback(self._end, delivery.id)

    def _end(self, _: None, id_: str) -> None:
        del self._under_way[id_]
        self.wake()

    async def _attempt(self, delivery: Delivery, invite: Invite | None) -> None:
        if delivery.lost > 1 and not self._courier.repeatable:
            outcome = Outcome("lost", delivery.answer or "the process ended during the attempt")
        else:
            outcome = await self._deliver(delivery, invite)
            if delivery.lost and not self._courier.repeatable:
                outcome = await self._insist(delivery, invite, outcome)
        await self._settle_patiently(delivery, outcome)

    async def _insist(self, delivery: Delivery, invite: Invite | None, outcome: Outcome) -> Outcome:
        """Go on with a repetition that surely had no effect: a homeserver that is restarted comes back soon."""
        end = now(self._clock) + int(REPEAT_WITHIN * 1000)
        delay = FIRST_RETRY
        while outcome.what in ("later", "error") and max(1, outcome.retry_after) <= (left := end - now(self._clock)):
            await task.deferLater(self._clock, min(max(delay, outcome.retry_after), left) / 1000)
            outcome = await self._deliver(delivery, invite)
            delay = min(2 * delay, LAST_INSISTENCE)
        return outcome

    async def _deliver(self, delivery: Delivery, invite: Invite | None) -> Outcome:
        try:
            return await self._courier.deliver(delivery, invite)
        except Exception as error:
            log.failure("{kind} delivery {id} failed", kind=delivery.kind, id=delivery.id)
            return Outcome("lost", f"internal error: {type(error).__name__}")

    async def _settle_patiently(self, delivery: Delivery, outcome: Outcome) -> None:
        """Wait until the store is available; the claim is kept meanwhile, and the outcome is not lost."""
        while True:
            try:
                return await self._settle(delivery, outcome)
            except StorageUnavailable as error:
                log.error("a delivery waits for the store: {error}", error=error)
                await task.deferLater(self._clock, STORE_RETRY)

    async def _settle(self, delivery: Delivery, outcome: Outcome) -> None:
        current = now(self._clock)
        state = self._final_state(delivery, outcome, current)
        if state is None:
            count = _COUNTED.get(outcome.what)
            held = await self._outbox.retry(delivery, self._next(delivery, outcome, current), outcome.answer, count)
        else:
            held = await self._outbox.close(delivery, state, outcome.answer, current)
        DELIVERIES.labels(delivery.kind, state or outcome.what).inc()
        log.info(
            "{kind} delivery {id} to {destination}, attempt {attempts}: {what} ({state})",
            kind=delivery.kind,
            id=delivery.id,
            destination=delivery.destination,
            attempts=delivery.attempts,
            what=outcome.what,
            state=(state or "will be tried again") if held else "someone else took it over",
        )
        # Mail servers like to quote addresses.
        log.debug("delivery {id}: {answer}", id=delivery.id, answer=outcome.answer)

    def _final_state(self, delivery: Delivery, outcome: Outcome, current: int) -> State | None:
        """The state in which the delivery ends, if it does."""
        if outcome.what in _CONCLUSIVE:
            return _CONCLUSIVE[outcome.what]
        if not self._courier.repeatable:
            if delivery.lost:
                return "unknown"
            if outcome.what == "lost":
                return None
        if current >= delivery.created + self._give_up_after:
            return "abandoned"
        if outcome.what == "error" and delivery.errors + 1 >= MAX_ERRORS:
            return "abandoned"
        return None

    def _next(self, delivery: Delivery, outcome: Outcome, current: int) -> int:
        if outcome.what == "lost" and not self._courier.repeatable:
            return current
        # A quarter of the delay is left to chance, so that what failed together does not return together.
        delay = min(FIRST_RETRY << min(delivery.attempts - 1, 32), LAST_RETRY) * (1 - self._random(1)[0] / 1024)
        # The last attempt is made at the very end.
        return min(current + max(int(delay), outcome.retry_after), delivery.created + self._give_up_after)

    async def _renew(self) -> None:
        if self._under_way:
            try:
                claims = [attempt.delivery for attempt in self._under_way.values()]
                await self._outbox.renew(claims, now(self._clock) + LEASE)
            except Exception as error:
                log.error("claims could not be renewed: {error}", error=error)

    def _stopped(self, _: object, patience: Deferred[Any]) -> None:
        patience.cancel()
        self._renewal.stop()


_CONCLUSIVE: dict[str, State] = {"done": "done", "refused": "refused", "unknown": "unknown", "moot": "abandoned"}
_COUNTED: dict[str, Failure] = {"lost": "lost", "error": "errors"}
