"""The chain: our own bindings first, then each source for what is still unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from msgspec import json
from twisted.internet.interfaces import IReactorTime

from ..clock import now
from ..matrix.association import association
from ..matrix.signing import Signer
from ..matrix.threepid import ThreePid
from ..storage.contract import BindingStorage
from ..waiting import Turns
from .source import Source, ask

# An address book of usual size.
PORTION = 1000


class Known(NamedTuple):
    """Who is behind an address, and who says so: a binding of ours, a store of the administrator's, another server."""

    user_id: str
    by: Literal["binding", "store", "server"]


class Lookup:
    """Finds the user IDs behind addresses.  Sources are :class:`~mxisd.lookup.circuit_breaker.CircuitBreaker`."""

    def __init__(
        self, bindings: BindingStorage, sources: Sequence[Source], signer: Signer, clock: IReactorTime
    ) -> None:
        self._bindings = bindings
        self._sources = sources
        self._signer = signer
        self._clock = clock
        self._turns = Turns(clock)

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

    async def trace(self, threepid: ThreePid) -> Known | None:
        """The user ID behind one address, and who says so."""
        bound = await self._bindings.users_of([threepid])
        if threepid in bound:
            return Known(bound[threepid], "binding")
        found, _ = await ask([source for source in self._sources if source.local], [threepid])
        if threepid in found:
            return Known(found[threepid], "store")
        found, _ = await ask([source for source in self._sources if not source.local], [threepid])
        return Known(found[threepid], "server") if threepid in found else None

    async def find_many(self, threepids: Sequence[ThreePid]) -> dict[ThreePid, str]:
        """The user IDs behind those of many addresses that are known."""
        found = await self._bound(threepids)
        unknown = [threepid for threepid in threepids if threepid not in found]
        more, _ = await ask(self._sources, unknown)
        return found | more

    async def _bound(self, threepids: Sequence[ThreePid]) -> dict[ThreePid, str]:
        """Those of our bindings; many at once are looked up in portions, so that few need not wait for them."""
        if len(threepids) <= PORTION:
            return await self._bindings.users_of(threepids)
        found: dict[ThreePid, str] = {}
        for start in range(0, len(threepids), PORTION):
            async with self._turns:
                found |= await self._bindings.users_of(threepids[start : start + PORTION])
        return found
