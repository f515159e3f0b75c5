"""Several things at the same time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredSemaphore, FirstError, gatherResults

from ..matrix.threepid import ThreePid

T = TypeVar("T")


async def together(coroutines: Iterable[Coroutine[Deferred[Any], Any, T]]) -> list[T]:
    """What coroutines return that are all begun at once.  Raises what the first of them raises that fails."""
    return await _results([Deferred.fromCoroutine(coroutine) for coroutine in coroutines])


async def one_by_one(
    lookup: Callable[[ThreePid], Coroutine[Deferred[Any], Any, str | None]],
    asked: Sequence[ThreePid],
    places: DeferredSemaphore,
) -> dict[ThreePid, str]:
    """What a function finds that can look up a single address only, as often at the same time as there are places."""
    begun = [places.run(lambda each: Deferred.fromCoroutine(lookup(each)), threepid) for threepid in asked]
    found: list[str | None] = await _results(begun)
    return {threepid: user_id for threepid, user_id in zip(asked, found, strict=True) if user_id is not None}


async def _results(begun: list[Deferred[T]]) -> list[T]:
    try:
        return list(await gatherResults(begun, consumeErrors=True))
    except FirstError as first:
        first.subFailure.raiseException()
        raise
