"""Lookups of the same address at the same time are one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from ..matrix.threepid import ThreePid
from .source import Source


class SingleFlight:
    """Asks a source for each address once at a time, however many want to know."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.local = source.local
        self._source = source
        self._under_way: dict[ThreePid, _Question] = {}

    async def lookup(self, threepids: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        """Raises what the source raises."""
        mine = _Question()
        questions = {id(mine): mine}
        new = []
        for threepid in dict.fromkeys(threepids):
            question = self._under_way.setdefault(threepid, mine)
            questions[id(question)] = question
            if question is mine:
                new.append(threepid)
        if new:
            # By itself: if this one stops waiting, others may still wait.
            Deferred.fromCoroutine(self._ask(mine, new))
        else:
            del questions[id(mine)]
        found: dict[ThreePid, str] = {}
        for question in questions.values():
            found |= await question.answer()
        return {threepid: found[threepid] for threepid in threepids if threepid in found}

    async def _ask(self, question: _Question, threepids: Sequence[ThreePid]) -> None:
        answer: Mapping[ThreePid, str] | Failure
        try:
            answer = await self._source.lookup(threepids)
        except BaseException:
            answer = Failure()
        for threepid in threepids:
            self._under_way.pop(threepid, None)
        question.answered(answer)


class _Question:
    """A lookup under way, and those who wait for it."""

    def __init__(self) -> None:
        self._waiting: list[Deferred[Mapping[ThreePid, str]]] = []
        self._answer: Mapping[ThreePid, str] | Failure | None = None

    async def answer(self) -> Mapping[ThreePid, str]:
        waiter: Deferred[Mapping[ThreePid, str]] = Deferred()
        if self._answer is None:
            self._waiting.append(waiter)
        else:
            waiter.callback(self._answer)
        return await waiter

    def answered(self, answer: Mapping[ThreePid, str] | Failure) -> None:
        self._answer = answer
        for waiter in self._waiting:
            if not waiter.called:  # it was cancelled
                waiter.callback(answer)
