"""``lookup``, ``bulk_lookup`` and ``hash_details``."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext

from msgspec import Raw, Struct
from twisted.internet.interfaces import IReactorTime

from ...limits.limits import RateLimits, Requester
from ...lookup.chain import Lookup
from ...lookup.hashed import HashedLookup
from ...lookup.recursion import Recursion
from ...matrix.error import MatrixError
from ...matrix.threepid import ThreePid, fold
from ...waiting import Turns
from ..client import Clients
from ..endpoint import Call

# A client's whole address book, and then some.
MAX_ADDRESSES = 10_000
# Bytes; about a thousand addresses.
LARGE = 64 * 1024
# So many addresses are brought to the form they are stored in at a time: with domains that are not ASCII, 10 ms.
PORTION = 250


class SingleLookup(Struct):
    medium: str
    address: str


class BulkLookup(Struct):
    threepids: list[tuple[str, str]]


class HashLookup(Struct):
    addresses: list[str]
    algorithm: str
    pepper: str


class LookupEndpoints:
    """``bulk`` is whether v1 looks up many addresses at once; if not, it answers that none of them is known."""

    def __init__(
        self,
        recursion: Recursion,
        hashed: HashedLookup,
        clients: Clients,
        limits: RateLimits,
        clock: IReactorTime,
        *,
        bulk: bool = True,
    ) -> None:
        self._recursion = recursion
        self._hashed = hashed
        self._clients = clients
        self._limits = limits
        self._turns = Turns(clock)
        self._bulk = bulk

    async def single(self, call: Call) -> object:
        """v1: the signed association of an address; ``{}`` when there is none."""
        asked = call.query(SingleLookup)
        lookup = await self._lookup(call, 1)
        signed = await lookup.signed(fold(asked.medium, asked.address))
        return {} if signed is None else Raw(signed)

    async def bulk(self, call: Call) -> object:
        """v1: medium, address and user ID of each address that is known, as they were asked."""
        async with self._turn(call):
            asked = call.body(BulkLookup).threepids
            lookup = await self._lookup(call, len(asked))
        folded: dict[tuple[str, str], ThreePid] = {}
        for start in range(0, len(asked), PORTION):
            async with self._turn(call):
                folded |= {pair: fold(*pair) for pair in asked[start : start + PORTION]}
        found = await lookup.find_many(list(dict.fromkeys(folded.values()))) if self._bulk else {}
        return {"threepids": [(*pair, found[threepid]) for pair, threepid in folded.items() if threepid in found]}

    async def hash_details(self, call: Call) -> object:
        """v2: how to hash addresses."""
        return await self._hashed.details()

    async def hashed(self, call: Call) -> object:
        """v2: user IDs by hashed address."""
        async with self._turn(call):
            asked = call.body(HashLookup)
            plain = await self._lookup(call, len(asked.addresses))
        return {"mappings": await self._hashed.find(asked.algorithm, asked.pepper, asked.addresses, plain)}

    def _turn(self, call: Call) -> AbstractAsyncContextManager[None]:
        """Large bodies are read one after the other: it takes some milliseconds for each."""
        return self._turns if len(call.raw_body) > LARGE else nullcontext()

    async def _lookup(self, call: Call, addresses: int) -> Lookup:
        """What to look so many addresses up in, if the one who asks may."""
        if addresses > MAX_ADDRESSES:
            raise MatrixError(400, "M_INVALID_PARAM", f"At most {MAX_ADDRESSES} addresses can be looked up at once")
        client = self._clients.address(call.request)
        await self._limits.lookup(addresses, Requester(call.user_id, client))
        return self._recursion.of(client)
