"""Merges lookups of the same address that are made at the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from ..matrix.threepid import ThreePid
from ..waiting import SharedResult
from .source import Source

Found: TypeAlias = Mapping[ThreePid, str]


class SingleFlight:
    """Asks a source for each address once at a time, however many want to know."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.local = source.local
        self._source = source
        self._under_way: dict[ThreePid, SharedResult[Found]] = {}

    async def lookup(self, threepids: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        """Raises what the source raises."""
        mine: SharedResult[Found] = SharedResult()
        answers = {threepid: self._under_way.setdefault(threepid, mine) for threepid in threepids}
        if new := [threepid for threepid, answer in answers.items() if answer is mine]:
            mine.begin(self._ask(new))
        found: dict[ThreePid, str] = {}
        for answer in dict.fromkeys(answers.values()):
            found |= await answer.wait()
        return {threepid: found[threepid] for threepid in threepids if threepid in found}

    async def _ask(self, threepids: Sequence[ThreePid]) -> Found:
        try:
            return await self._source.lookup(threepids)
        finally:
            for threepid in threepids:
                del self._under_way[threepid]
