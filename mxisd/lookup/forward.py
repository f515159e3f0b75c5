"""
Identity servers that the administrator names, for what is known nowhere else (``forward``).

They learn of every address that somebody here looks up and we do not know: hashed, if they serve version 2 of the API
and we have an account, else in the clear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.internet.interfaces import IReactorTime

from ..log import Logger
from ..matrix.threepid import ThreePid
from .v1 import V1
from .v2 import V2, NotServed

log = Logger()

# For so long a server is taken not to have learnt version 2.  Seconds.
V1_PERIOD = 3600.0


class ForwardServer:
    """One of these servers."""

    local = False

    def __init__(self, base_url: str, v1: V1, v2: V2 | None, clock: IReactorTime) -> None:
        self.name = f"the identity server {base_url}"
        self._base_url = base_url
        self._v1 = v1
        self._v2 = v2
        self._clock = clock
        self._v1_until = 0.0

    async def lookup(self, threepids: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        """Raises :class:`~mxisd.net.errors.OutboundError`."""
        if self._v2 is not None and self._clock.seconds() >= self._v1_until:
            try:
                return await self._v2.lookup(threepids)
            except NotServed as error:
                log.info("{server} is asked by version 1 of the API: {error}", server=self._base_url, error=error)
                self._v1_until = self._clock.seconds() + V1_PERIOD
        return await self._v1.lookup(self._base_url, threepids)
