"""Lookups of hashed addresses (specification: identity service API, "Association lookup")."""

from __future__ import annotations

from collections.abc import Sequence

from ..matrix.error import MatrixError
from ..matrix.threepid import fold
from ..storage.hashed import HashStorage
from .chain import Lookup
from .index import HashIndex

ALGORITHMS = ("sha256", "none")


class HashedLookup:
    """Answers ``hash_details`` and ``lookup``, for some of the :data:`ALGORITHMS`."""

    def __init__(self, hashes: HashStorage, index: HashIndex, algorithms: Sequence[str] = ALGORITHMS) -> None:
        self._hashes = hashes
        self._index = index
        self._algorithms = algorithms

    async def details(self) -> dict[str, object]:
        """The pepper to hash with, and the algorithms that are understood."""
        return {"lookup_pepper": await self._pepper(), "algorithms": list(self._algorithms)}

    async def find(self, algorithm: str, pepper: str, addresses: Sequence[str], plain: Lookup) -> dict[str, str]:
        """
        User IDs by what was asked for: a hash or, with ``none``, ``address medium``, which is looked up by ``plain``.

        Raises :class:`MatrixError`: ``M_INVALID_PARAM`` for other algorithms, ``M_INVALID_PEPPER``.
        """
        if algorithm not in self._algorithms:
            raise MatrixError(400, "M_INVALID_PARAM", f"algorithm: expected one of {', '.join(self._algorithms)}")
        if algorithm == "none":
            if pepper not in {known.pepper for known in await self._hashes.peppers()}:
                raise await self._wrong_pepper()
            return await _find_plain(addresses, plain)
        self._index.looked_up()
        found = await self._hashes.find(pepper, addresses)
        if found is None:
            raise await self._wrong_pepper()
        return found

    async def _pepper(self) -> str:
        return (await self._index.current()).pepper

    async def _wrong_pepper(self) -> MatrixError:
        return MatrixError(
            400,
            "M_INVALID_PEPPER",
            "The pepper is not, or no longer, in use",
            algorithm="sha256",
            lookup_pepper=await self._pepper(),
        )


async def _find_plain(addresses: Sequence[str], lookup: Lookup) -> dict[str, str]:
    asked = {}
    for entry in addresses:
        address, _, medium = entry.rpartition(" ")
        asked[entry] = fold(medium, address)
    found = await lookup.find_many(list(dict.fromkeys(asked.values())))
    return {entry: found[threepid] for entry, threepid in asked.items() if threepid in found}
