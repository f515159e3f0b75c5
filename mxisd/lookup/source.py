"""The interface of lookup sources."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias

from twisted.internet.interfaces import IReactorTime

from ..log import Logger
from ..matrix.threepid import ThreePid
from ..waiting import spread

log = Logger()

Batch: TypeAlias = Sequence[tuple[ThreePid, str]]
"""Addresses, in the form in which they are compared, and the user IDs behind them."""


class Unavailable(Exception):
    """A source that cannot be asked at the moment.  The log says so already."""


class Unusable(Exception):
    """
    An answer that arrived, and that nobody can use.

    It concerns its own question: the source itself is there, and the next question may go well.
    """


class Source(Protocol):
    """Something that knows user IDs by address: an identity store, another identity server, a bridge."""

    name: str
    """For the log."""
    local: bool
    """Whether it may be asked at any time: it is of the administrator's own, and nobody else learns the addresses."""

    async def lookup(self, threepids: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        """
        The user IDs that it knows, by address.

        A source by itself may raise anything, take its time, and know of others than were asked for: databases that
        compare by a collation do.  Behind a :class:`~mxisd.lookup.circuit_breaker.CircuitBreaker` it raises
        :class:`Unavailable`, in time, and only what was asked is answered.
        """
        ...


class AddressLookup(Protocol):
    """Finds the user behind one address; what :class:`~mxisd.lookup.chain.Lookup` is to most."""

    async def find(self, threepid: ThreePid) -> str | None:
        """The user ID, or ``None`` if nobody is known by the address."""
        ...


class Listing(Protocol):
    """Lists everyone, for the hashes of their addresses."""

    def batches(self) -> AsyncIterator[Batch]:
        """All addresses, some thousand at a time, in no particular order."""
        ...


async def ask(sources: Iterable[Source], threepids: Sequence[ThreePid]) -> tuple[dict[ThreePid, str], list[Source]]:
    """
    Ask sources behind circuit breakers in order, each for what those before it did not know.

    Returns the user IDs that were found, and the sources that were unavailable.
    """
    found: dict[ThreePid, str] = {}
    unavailable: list[Source] = []
    for source in sources:
        unknown = [threepid for threepid in threepids if threepid not in found]
        if not unknown:
            break
        try:
            found |= await source.lookup(unknown)
        except Unavailable as error:
            log.debug("{error}; the lookup goes on without it", error=error)
            unavailable.append(source)
    return found, unavailable


async def ask_each(
    questions: Iterable[tuple[Source, Sequence[ThreePid]]], at_once: int, seconds: float, clock: IReactorTime
) -> dict[ThreePid, str]:
    """Ask sources behind circuit breakers, ``at_once`` of them; what they do not answer in ``seconds`` is left out."""

    async def answer(source: Source, threepids: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        try:
            return await source.lookup(threepids)
        except Unavailable:
            return {}

    found: dict[ThreePid, str] = {}
    for each in await spread((answer(*question) for question in questions), at_once, seconds, clock):
        found |= each
    return found
