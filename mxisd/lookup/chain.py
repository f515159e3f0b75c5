"""The chain: our own bindings first, then each source for what is still unknown."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import json
from twisted.internet.interfaces import IReactorTime

from ..clock import now
from ..matrix.association import association
from ..matrix.signing import Signer
from ..matrix.threepid import ThreePid
from ..storage.contract import BindingStorage
from .source import Source, ask


class Lookup:
    """Finds the user IDs behind addresses.  Sources are :class:`~mxisd.lookup.circuit_breaker.CircuitBreaker`."""

    def __init__(
        self, bindings: BindingStorage, sources: Sequence[Source], signer: Signer, clock: IReactorTime
    ) -> None:
        self._bindings = bindings
        self._sources = sources
        self._signer = signer
        self._clock = clock

    async def signed(self, threepid: ThreePid) -> bytes | None:
        """The signed association of an address as JSON, if anyone knows it."""
        binding = await self._bindings.get(threepid)
        if binding is not None:
            return binding.signed
        found, _ = await ask(self._sources, [threepid])
        user_id = found.get(threepid)
        if user_id is None:
            return None
        return json.encode(association(self._signer, threepid, user_id, now(self._clock)))

    async def find(self, threepid: ThreePid) -> str | None:
        """The user ID behind one address."""
        return (await self.find_many([threepid])).get(threepid)

    async def find_many(self, threepids: Sequence[ThreePid]) -> dict[ThreePid, str]:
        """The user IDs behind those of many addresses that are known."""
        found = await self._bindings.users_of(threepids)
        unknown = [threepid for threepid in threepids if threepid not in found]
        more, _ = await ask(self._sources, unknown)
        return found | more
