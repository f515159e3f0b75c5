"""Asks a bridge which of its users stands for an address (``lookup.recursive.bridge``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from twisted.internet.interfaces import IReactorTime

from ..matrix.threepid import ThreePid
from .source import Source, ask_each
from .v1 import PATH, V1

# Bridges can be asked for one address at a time only: so many at once.
AT_ONCE = 8


class Bridge:
    """Asks the bridge of the medium, or else the ``server`` for all media, if there is one."""

    name = "the bridge"
    local = False

    def __init__(self, v1: V1, server: str | None, by_medium: Mapping[str, str]) -> None:
        """These are URLs, with or without the path of the API behind them."""
        self._v1 = v1
        self._server = server
        self._by_medium = by_medium

    async def lookup(self, threepids: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        """Raises :class:`~mxisd.net.errors.OutboundError`."""
        found: dict[ThreePid, str] = {}
        for threepid in threepids:
            url = self._by_medium.get(threepid.medium, self._server)
            if url is not None:
                found |= await self._v1.single(url.partition(PATH)[0].rstrip("/"), threepid)
        return found


class OneByOne:
    """Asks a source for one address at a time, for as long as there is time."""

    def __init__(self, source: Source, clock: IReactorTime, timeout: timedelta) -> None:
        self.name = source.name
        self.local = source.local
        self._source = source
        self._clock = clock
        self._seconds = timeout.total_seconds()

    async def lookup(self, threepids: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        questions = ((self._source, [threepid]) for threepid in threepids)
        return await ask_each(questions, AT_ONCE, self._seconds, self._clock)
