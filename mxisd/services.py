"""
What is started and stopped: a base class with types, services that stop in order, and one that repeats a call.

Twisted's own classes predate annotations; the exceptions that type checkers need for them are made here, once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from twisted.application.service import IService, MultiService
from twisted.application.service import Service as TwistedService
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from .errors import Away
from .log import Logger

log = Logger()

S = TypeVar("S", bound=IService)

HOURLY = timedelta(hours=1)


class Service(TwistedService):
    """:class:`twisted.application.service.Service`, with types."""

    def privilegedStartService(self) -> None:
        """Called before privileges are dropped, and before :meth:`startService`."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]

    def stopService(self) -> Deferred[Any] | None:
        """A Deferred that fires when all work has ended, or ``None`` if it has ended already."""
        super().stopService()  # type: ignore[no-untyped-call]
        return None


class Services(MultiService):
    """
    Services that are started in the order in which they were added, and stopped one after another, the last first.

    What others rely on is added before them.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def add(self, service: S) -> S:
        """Have a service started and stopped with the others; returns it."""
        service.setServiceParent(self)  # type: ignore[no-untyped-call]
        return service

    def privilegedStartService(self) -> None:
        super().privilegedStartService()  # type: ignore[no-untyped-call]

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]

    def stopService(self) -> Deferred[None]:
        self.running = False
        return Deferred.fromCoroutine(self._stop_all())

    async def _stop_all(self) -> None:
        for service in reversed(list(self)):
            try:
                await maybeDeferred(service.stopService)
            except Exception:
                log.failure("{service} did not stop as it should", service=service)


class PeriodicService(Service):
    """
    Calls a coroutine function again and again, first at the start.

    Calls never overlap: one that takes longer than the interval delays the next.  One that fails is logged.
    """

    def __init__(
        self, name: str, call: Callable[[], Awaitable[object]], interval: timedelta, clock: IReactorTime
    ) -> None:
        self.name = name
        self._call = call
        self._seconds = interval.total_seconds()
        self._current: Deferred[None] = Deferred()
        self._loop = LoopingCall(self._begin)
        self._loop.clock = clock

    def startService(self) -> None:
        super().startService()
        self._loop.start(self._seconds)

    def stopService(self) -> None:
        super().stopService()
        self._loop.stop()
        self._current.cancel()

    def _begin(self) -> Deferred[None]:
        self._current = Deferred.fromCoroutine(self._logged())
        return self._current

    async def _logged(self) -> None:
        try:
            await self._call()
        except CancelledError:
            pass
        except Away as error:
            log.warn("{name} waits: {error}", name=self.name, error=error)
        except Exception:
            log.failure(
                "{name} failed, and will be tried again in {seconds:g} s", name=self.name, seconds=self._seconds
            )


def almost(interval: timedelta) -> timedelta:
    """A little less than an interval, for what is due in every call of a :class:`PeriodicService`: one may be early."""
    return interval * 9 / 10
