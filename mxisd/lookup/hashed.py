"""Lookups of hashed addresses (specification: identity service API, "Association lookup")."""

from __future__ import annotations

from collections.abc import Sequence

from ..matrix.error import MatrixError
from ..matrix.hashing import digest
from ..matrix.threepid import ThreePid, fold
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

    async def would_find(self, written: ThreePid, plain: Lookup) -> str | None:
        """
        Whom a homeserver finds by an address, written as it has it, that asks now by the best of our algorithms.

        It may have asked by either of the peppers that are in use, and a moment ago: only who is found by each of them,
        and has not come in just now by another invite, counts.
        """
        if "sha256" not in self._algorithms:
            return await plain.find(fold(*written)) if "none" in self._algorithms else None
        user_id = None
        for known in reversed(await self._hashes.peppers() or [await self._index.current()]):
            hashed = digest(written, known.pepper)
            user_id = (await self._hashes.find(known.pepper, [hashed]) or {}).get(hashed)
            if user_id is None:
                return None
        return None if await self._index.is_new(fold(*written)) else user_id

    async def learn(self, threepid: ThreePid, user_id: str) -> None:
        """From now on find a user of our own stores, who has been found without a hash: see :mod:`.invited`."""
        if "sha256" in self._algorithms:
            await self._index.add(threepid, user_id)

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
