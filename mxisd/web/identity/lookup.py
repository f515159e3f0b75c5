"""``lookup``, ``bulk_lookup`` and ``hash_details``."""

from __future__ import annotations

from msgspec import Raw, Struct

from ...lookup.chain import Lookup
from ...lookup.hashed import HashedLookup
from ...lookup.recursion import Recursion
from ...matrix.error import MatrixError
from ...matrix.threepid import fold
from ..client import Clients
from ..endpoint import Call

# A client's whole address book, and then some.
MAX_ADDRESSES = 10_000


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

    def __init__(self, recursion: Recursion, hashed: HashedLookup, clients: Clients, *, bulk: bool = True) -> None:
        self._recursion = recursion
        self._hashed = hashed
        self._clients = clients
        self._bulk = bulk

    async def single(self, call: Call) -> object:
        """v1: the signed association of an address; ``{}`` when there is none."""
        asked = call.query(SingleLookup)
        signed = await self._lookup(call).signed(fold(asked.medium, asked.address))
        return {} if signed is None else Raw(signed)

    async def bulk(self, call: Call) -> object:
        """v1: medium, address and user ID of each address that is known, as they were asked."""
        asked = call.body(BulkLookup).threepids
        _check_number(len(asked))
        folded = {(medium, address): fold(medium, address) for medium, address in asked}
        found = await self._lookup(call).find_many(list(dict.fromkeys(folded.values()))) if self._bulk else {}
        return {
            "threepids": [
                (medium, address, found[threepid])
                for (medium, address), threepid in folded.items()
                if threepid in found
            ]
        }

    async def hash_details(self, call: Call) -> object:
        """v2: how to hash addresses."""
        return await self._hashed.details()

    async def hashed(self, call: Call) -> object:
        """v2: user IDs by hashed address."""
        asked = call.body(HashLookup)
        _check_number(len(asked.addresses))
        plain = self._lookup(call)
        return {"mappings": await self._hashed.find(asked.algorithm, asked.pepper, asked.addresses, plain)}

    def _lookup(self, call: Call) -> Lookup:
        return self._recursion.of(self._clients.address(call.request))


def _check_number(number: int) -> None:
    if number > MAX_ADDRESSES:
        raise MatrixError(400, "M_INVALID_PARAM", f"At most {MAX_ADDRESSES} addresses can be looked up at once")
