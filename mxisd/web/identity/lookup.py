"""``lookup``, ``bulk_lookup`` and ``hash_details``."""

from __future__ import annotations

from msgspec import Raw, Struct

from ...lookup.chain import Lookup
from ...lookup.hashed import HashedLookup
from ...matrix.error import MatrixError
from ...matrix.threepid import fold
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
    def __init__(self, lookup: Lookup, hashed: HashedLookup) -> None:
        self._lookup = lookup
        self._hashed = hashed

    async def single(self, call: Call) -> object:
        """v1: the signed association of an address; ``{}`` when there is none."""
        asked = call.query(SingleLookup)
        signed = await self._lookup.signed(fold(asked.medium, asked.address))
        return {} if signed is None else Raw(signed)

    async def bulk(self, call: Call) -> object:
        """v1: medium, address and user ID of each address that is known, as they were asked."""
        asked = call.body(BulkLookup).threepids
        _check_number(len(asked))
        folded = {(medium, address): fold(medium, address) for medium, address in asked}
        found = await self._lookup.find_many(list(dict.fromkeys(folded.values())))
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
        return {"mappings": await self._hashed.find(asked.algorithm, asked.pepper, asked.addresses)}


def _check_number(number: int) -> None:
    if number > MAX_ADDRESSES:
        raise MatrixError(400, "M_INVALID_PARAM", f"At most {MAX_ADDRESSES} addresses can be looked up at once")
