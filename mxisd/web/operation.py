"""``/health`` and ``/metrics``: what programs ask that watch over a server, on a listener of their own."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

from twisted.internet.interfaces import IReactorTime

from ..clock import SECOND, now
from ..metrics import INVITES, OVERDUE_SECONDS, QUEUED, REACTOR_LAG_SECONDS, exposition
from ..services import PeriodicService
from ..storage.contract import Storage, StorageUnavailable
from ..storage.records import Kind
from .endpoint import Answer, Call, Endpoint, ProgramEndpoint

# How often what is stored is counted, and how often it is measured how late calls come.
COUNTED_EVERY = timedelta(seconds=15)
MEASURED_EVERY = timedelta(seconds=1)
# A row that is written to see whether rows can be.
_PROBE = "health"


class OperationEndpoints:
    """Whether the server is well, and its numbers."""

    def __init__(self, storage: Storage, clock: IReactorTime) -> None:
        self._storage = storage
        self._clock = clock

    def endpoints(self) -> dict[str, Endpoint]:
        """The endpoints by path."""
        return {
            "/health/live": ProgramEndpoint(GET=self.live),
            "/health/ready": ProgramEndpoint(GET=self.ready),
            "/metrics": ProgramEndpoint(GET=self.metrics),
        }

    async def live(self, call: Call) -> object:
        """The process answers."""
        return {"status": "ok"}

    async def ready(self, call: Call) -> object:
        """Something can be stored.  How late deliveries are is told, but is no reason to send nobody here."""
        await self._storage.cooldowns.take(_PROBE, now(self._clock), 1)
        waiting = await self._storage.outbox.waiting()
        late = {each.kind: max(0, now(self._clock) - each.due) // SECOND for each in waiting}
        return {"status": "ok", "overdue_seconds": late}

    async def metrics(self, call: Call) -> object:
        """In Prometheus' text format."""
        return Answer(200, {b"Content-Type": b"text/plain; version=0.0.4; charset=utf-8"}, exposition())


class Counting:
    """Counts what is stored, for all processes, and measures how late calls come."""

    def __init__(self, storage: Storage, clock: IReactorTime) -> None:
        self._storage = storage
        self._clock = clock

    def services(self) -> tuple[PeriodicService, PeriodicService]:
        """What does so again and again."""
        return (
            PeriodicService("count of what is stored", self.count, COUNTED_EVERY, self._clock),
            PeriodicService("measurement of lag", self.measure, MEASURED_EVERY, self._clock),
        )

    async def count(self) -> None:
        """What is stored; nothing is said of it while the storage is away, which others tell."""
        try:
            invites = await self._storage.invites.count()
            waiting = await self._storage.outbox.waiting()
        except StorageUnavailable:
            return
        for state, number in invites._asdict().items():
            INVITES.labels(state).set(number)
        found = {each.kind: each for each in waiting}
        # Of all kinds: where several processes serve, a number stays until there is another one.
        for kind in get_args(Kind):
            each = found.get(kind)
            QUEUED.labels(kind).set(each.number if each else 0)
            OVERDUE_SECONDS.labels(kind).set(max(0, now(self._clock) - each.due) / SECOND if each else 0)

    async def measure(self) -> None:
        """How late a call comes that is due at once."""
        asked = self._clock.seconds()
        self._clock.callLater(0, lambda: REACTOR_LAG_SECONDS.observe(self._clock.seconds() - asked))
