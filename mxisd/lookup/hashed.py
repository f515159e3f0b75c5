"""Lookups of hashed addresses (specification: identity service API, "Association lookup")."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.interfaces import IReactorTime

from ..clock import Random, now, token
from ..matrix.error import MatrixError
from ..matrix.threepid import fold
from ..storage.contract import Hashes
from ..storage.records import Pepper
from .chain import Lookup

ALGORITHMS = ("sha256", "none")


class HashedLookup:
    """Answers ``hash_details`` and ``lookup``."""

    def __init__(self, hashes: Hashes, lookup: Lookup, clock: IReactorTime, random: Random, pepper_length: int) -> None:
        self._hashes = hashes
        self._lookup = lookup
        self._clock = clock
        self._random = random
        self._pepper_length = pepper_length

    async def details(self) -> dict[str, object]:
        """The pepper to hash with, and the algorithms that are understood."""
        return {"lookup_pepper": await self._pepper(), "algorithms": list(ALGORITHMS)}

    async def find(self, algorithm: str, pepper: str, addresses: Sequence[str]) -> dict[str, str]:
        """
        User IDs by what was asked for, be it a hash or, with ``none``, ``address medium``.

        Raises :class:`MatrixError`: ``M_INVALID_PARAM`` for other algorithms, ``M_INVALID_PEPPER``.
        """
        if algorithm == "sha256":
            found = await self._hashes.find(pepper, addresses)
            if found is None:
                raise await self._wrong_pepper()
            return found
        if algorithm == "none":
            if pepper not in {known.pepper for known in await self._hashes.peppers()}:
                raise await self._wrong_pepper()
            return await self._find_plain(addresses)
        raise MatrixError(400, "M_INVALID_PARAM", f"algorithm: expected one of {', '.join(ALGORITHMS)}")

    async def _find_plain(self, addresses: Sequence[str]) -> dict[str, str]:
        asked = {}
        for entry in addresses:
            address, _, medium = entry.rpartition(" ")
            asked[entry] = fold(medium, address)
        found = await self._lookup.find_many(list(dict.fromkeys(asked.values())))
        return {entry: found[threepid] for entry, threepid in asked.items() if threepid in found}

    async def _pepper(self) -> str:
        while not (peppers := await self._hashes.peppers()):
            pepper = Pepper(pepper=token(self._random)[: self._pepper_length], made_at=now(self._clock))
            if await self._hashes.prepare(pepper, after=None):
                await self._hashes.publish(pepper.pepper, keep=2)
        return peppers[0].pepper

    async def _wrong_pepper(self) -> MatrixError:
        return MatrixError(
            400,
            "M_INVALID_PEPPER",
            "The pepper is not, or no longer, in use",
            algorithm="sha256",
            lookup_pepper=await self._pepper(),
        )
