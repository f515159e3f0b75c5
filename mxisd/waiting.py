"""One limit for all that a piece of work waits for."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

T = TypeVar("T")


async def within(seconds: float, clock: IReactorTime, work: Coroutine[Deferred[Any], Any, T], late: Exception) -> T:
    """What ``work`` returns; it is cancelled after ``seconds``, and ``late`` is raised."""

    def expired(result: T | Failure, _: float) -> T | Failure:
        return Failure(late) if isinstance(result, Failure) else result

    return await Deferred.fromCoroutine(work).addTimeout(seconds, clock, expired)
