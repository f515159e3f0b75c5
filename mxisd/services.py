"""What is done again and again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from .log import Logger

log = Logger()


class PeriodicService(Service):
    """
    Calls a coroutine function every ``interval`` seconds, first at the start.

    Calls never overlap: one that takes longer than the interval puts off the next.  One that fails is logged.
    """

    def __init__(self, name: str, call: Callable[[], Awaitable[object]], interval: float, clock: IReactorTime) -> None:
        self.name = name
        self._call = call
        self._interval = interval
        self._current: Deferred[None] = Deferred()
        self._loop = LoopingCall(self._begin)
        self._loop.clock = clock

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]  # Twisted's Service predates annotations
        self._loop.start(self._interval)

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]  # Twisted's Service predates annotations
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
        except Exception:
            log.failure(
                "{name} failed, and will be tried again in {interval:g} s", name=self.name, interval=self._interval
            )
