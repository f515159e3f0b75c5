"""What is done again and again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

log = Logger()


def every(interval: int, call: Callable[[], Awaitable[object]], clock: IReactorTime) -> Periodic:
    """A service that calls a coroutine function every ``interval`` milliseconds, first at its start."""
    return Periodic(interval, call, clock)


class Periodic(Service):
    """Calls never overlap: one that takes longer than the interval puts off the next.  One that fails is logged."""

    def __init__(self, interval: int, call: Callable[[], Awaitable[object]], clock: IReactorTime) -> None:
        self._interval = interval
        self._call = call
        self._current: Deferred[None] = Deferred()
        self._loop = LoopingCall(self._begin)
        self._loop.clock = clock

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]  # Twisted's Service predates annotations
        self._loop.start(self._interval / 1000)

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
            name = getattr(self._call, "__qualname__", repr(self._call))
            log.failure(
                "{name} failed; it is called again every {seconds:g} s", name=name, seconds=self._interval / 1000
            )
