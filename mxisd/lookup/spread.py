"""Asking many at once, for as long as there is time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.defer import TimeoutError as TimedOut
from twisted.internet.interfaces import IReactorTime

from ..matrix.threepid import ThreePid
from ..waiting import within
from .source import Source, Unavailable

Question = tuple[Source, Sequence[ThreePid]]


async def spread(
    questions: Iterable[Question], at_once: int, seconds: float, clock: IReactorTime
) -> dict[ThreePid, str]:
    """Ask sources, some at once; what comes later than in ``seconds``, or not at all, is not in the answer."""
    found: dict[ThreePid, str] = {}
    waiting = iter(questions)

    async def all_asked() -> None:
        askers = [Deferred.fromCoroutine(_ask(waiting, found)) for _ in range(at_once)]
        await gatherResults(askers, consumeErrors=True)

    with suppress(TimedOut):
        await within(seconds, clock, all_asked(), TimedOut())
    return found


async def _ask(questions: Iterator[Question], found: dict[ThreePid, str]) -> None:
    for source, threepids in questions:
        with suppress(Unavailable):
            found |= await source.lookup(threepids)
