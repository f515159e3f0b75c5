"""A short-lived cache of the answers of other servers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from twisted.internet.interfaces import IReactorTime

from ..cache import OldestOut
from ..matrix.threepid import ThreePid
from .source import Source, Unavailable

# Some hundred bytes each.
CAPACITY = 50_000


class Answers:
    """
    What was found, and that nothing was, by source and address.

    At most ``capacity`` answers are kept: the oldest goes first.  The other two are how long they are good for.
    """

    def __init__(self, clock: IReactorTime, found: timedelta, missed: timedelta, capacity: int = CAPACITY) -> None:
        self._clock = clock
        self._found = found.total_seconds()
        self._missed = missed.total_seconds()
        self._answers: OldestOut[tuple[str, ThreePid], tuple[str | None, float]] = OldestOut(capacity)

    def recall(self, source: str, threepids: Iterable[ThreePid]) -> dict[ThreePid, str | None]:
        """The user IDs behind those of the addresses that were asked lately; ``None`` for those not known there."""
        now = self._clock.seconds()
        known = {}
        for threepid in threepids:
            user_id, expiry = self._answers.get((source, threepid), (None, now))
            if now < expiry:
                known[threepid] = user_id
        return known

    def keep(self, source: str, asked: Iterable[ThreePid], answer: Mapping[ThreePid, str]) -> None:
        now = self._clock.seconds()
        for threepid in asked:
            user_id = answer.get(threepid)
            self._answers[source, threepid] = (user_id, now + (self._missed if user_id is None else self._found))


class Cached:
    """Asks a source for what is not among the answers."""

    def __init__(self, source: Source, answers: Answers) -> None:
        self.name = source.name
        self.local = source.local
        self._source = source
        self._answers = answers

    async def lookup(self, threepids: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        """Raises :class:`Unavailable` if nothing is known, and the source cannot be asked."""
        known = self._answers.recall(self.name, threepids)
        unknown = [threepid for threepid in threepids if threepid not in known]
        found = {threepid: user_id for threepid, user_id in known.items() if user_id is not None}
        if unknown:
            try:
                answer = await self._source.lookup(unknown)
            except Unavailable:
                if not known:
                    raise
            else:
                self._answers.keep(self.name, unknown, answer)
                found |= answer
        return found
