"""Waiting: for many at once, for so long, in the background, for what somebody else is at already, for an alarm."""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from typing import Any, Generic, TypeAlias, TypeVar

from twisted.internet.defer import CancelledError, Deferred, FirstError, gatherResults
from twisted.internet.defer import TimeoutError as TimedOut
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from .log import Logger

log = Logger()

T = TypeVar("T")

Work: TypeAlias = Coroutine[Deferred[Any], Any, T]
"""A coroutine, not begun yet."""


async def within(seconds: float, clock: IReactorTime, work: Work[T], late: Exception) -> T:
    """What ``work`` returns; it is cancelled after ``seconds``, and ``late`` is raised."""

    def expired(result: T | Failure, _: float) -> T | Failure:
        return Failure(late) if isinstance(result, Failure) else result

    return await Deferred.fromCoroutine(work).addTimeout(seconds, clock, expired)


async def gather(works: Iterable[Work[T]]) -> list[T]:
    """What coroutines return that are all begun at once.  Raises what the first one raises that fails."""
    try:
        return await gatherResults([Deferred.fromCoroutine(work) for work in works], consumeErrors=True)
    except FirstError as first:
        first.subFailure.raiseException()
        raise


async def spread(works: Iterable[Work[T]], at_once: int, seconds: float, clock: IReactorTime) -> list[T]:
    """
    What those coroutines return that end within ``seconds``; at most ``at_once`` are under way at a time.

    The others are cancelled, or never taken from ``works``.  Raises what the first one raises that fails.
    """
    results: list[T] = []
    remaining, end = iter(works), clock.seconds() + seconds

    async def take_turns() -> None:
        # Not all work ends with an error when it is cancelled.
        while clock.seconds() < end and (work := next(remaining, None)) is not None:
            results.append(await work)

    with suppress(TimedOut):
        await within(seconds, clock, gather(take_turns() for _ in range(at_once)), TimedOut())
    return results


def background(name: str, work: Work[object]) -> Deferred[None]:
    """
    Begin something that nobody waits for; if it fails, the log says so by its ``name``.

    The Deferred fires when it has ended, however it did.  To cancel that is to cancel the work.
    """
    return Deferred.fromCoroutine(_logged(name, work))


async def _logged(name: str, work: Work[object]) -> None:
    try:
        await work
    except CancelledError:
        pass
    except Exception:
        log.failure("{name} failed", name=name)


class SharedResult(Generic[T]):
    """The result of one piece of work that many wait for.  One who is cancelled does not stop the others."""

    def __init__(self) -> None:
        self._waiting: list[Deferred[T]] = []
        self._ended = False
        self._result: T | Failure  # once it has ended

    def begin(self, work: Work[T]) -> None:
        """Begin the work, once, on behalf of all who wait and will wait."""
        Deferred.fromCoroutine(work).addBoth(self._end)

    async def wait(self) -> T:
        """What the work returns.  Raises what it raises."""
        waiter: Deferred[T] = Deferred()
        if self._ended:
            waiter.callback(self._result)
        else:
            self._waiting.append(waiter)
        return await waiter

    def _end(self, result: T | Failure) -> None:
        self._result, self._ended = result, True
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.called:  # it was cancelled
                waiter.callback(result)


class Alarm:
    """Wakes the one who waits for it: after a while, or earlier when it is rung."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._rung: Deferred[None] = Deferred()

    def ring(self) -> None:
        """Wake the one who waits or, if nobody does at the moment, the next one at once."""
        if not self._rung.called:
            self._rung.callback(None)

    async def wait(self, seconds: float) -> None:
        """Wait for a ring, for ``seconds`` at most."""
        timer = self._clock.callLater(seconds, self.ring)
        try:
            await self._rung
        finally:
            if timer.active():
                timer.cancel()
            self._rung = Deferred()


class Turns:
    """
    Lets pieces of work that take long one after the other, in the order in which they come.

    In between all else that waits for the reactor gets its turn.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: deque[Deferred[None]] = deque()
        self._taken = False

    async def __aenter__(self) -> None:
        if self._taken:
            turn: Deferred[None] = Deferred(self._waiting.remove)
            self._waiting.append(turn)
            await turn
        self._taken = True

    async def __aexit__(self, *_: object) -> None:
        # Not at once: that would be without anybody else's turn in between.
        self._clock.callLater(0, self._next)

    def _next(self) -> None:
        if self._waiting:
            self._waiting.popleft().callback(None)
        else:
            self._taken = False
