"""Asking other identity servers by version 1 of their API, which shows them the addresses (r0.2.0)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime

from ..cache import Cache
from ..clock import now
from ..matrix.signing import verify
from ..matrix.threepid import ThreePid, fold, spellings
from ..net.errors import NotJson, status_error
from ..net.http_client import Http

PATH = "/_matrix/identity/api/v1"
# More addresses than these go in several requests.
PORTION = 1000
# One is usual; each may cost a request for the key.
MAX_SIGNATURES = 4

_CACHED_KEYS = 1000
_HOUR = 3600.0


class _Association(Struct):
    """What is to be checked of an answer; everything is missing where there is none."""

    medium: str = ""
    address: str = ""
    mxid: str = ""
    not_before: int | None = None
    not_after: int | None = None
    signatures: Mapping[str, Mapping[str, str]] = {}


class _Associations(Struct):
    threepids: list[tuple[str, str, str]]


class _Key(Struct):
    public_key: str


class V1:
    """Knows the keys that servers sign with, as far as they publish them."""

    def __init__(self, http: Http, clock: IReactorTime) -> None:
        self._http = http
        self._clock = clock
        self._keys: Cache[tuple[str, str], str] = Cache(clock, _CACHED_KEYS)

    async def lookup(self, base_url: str, threepids: Sequence[ThreePid]) -> dict[ThreePid, str]:
        """
        Whom a server says these addresses belong to, and perhaps others.

        Raises :class:`OutboundError`, also for an association whose signature is not that of the server.
        """
        if len(threepids) == 1:
            return await self.single(base_url, threepids[0])
        found: dict[ThreePid, str] = {}
        for first in range(0, len(threepids), PORTION):
            found |= await self._bulk(base_url, threepids[first : first + PORTION])
        return found

    async def single(self, base_url: str, threepid: ThreePid) -> dict[ThreePid, str]:
        """The same for one address, of which there may be a signed association."""
        for spelling in spellings(threepid):
            if user_id := await self._single(base_url, spelling, threepid):
                return {threepid: user_id}
        return {}

    async def _single(self, base_url: str, asked: ThreePid, threepid: ThreePid) -> str | None:
        """Ask about one spelling of an address."""
        query = urlencode({"medium": asked.medium, "address": asked.address})
        answer = await self._http.request("GET", f"{base_url}{PATH}/lookup?{query}")
        if answer.status != 200:
            raise status_error(answer.status, f"{answer.url} answered with status {answer.status}")
        association = answer.decode(_Association)
        if not association.mxid or fold(association.medium, association.address) != threepid:
            return None
        current = now(self._clock)
        if (association.not_before or 0) > current or (association.not_after or current) < current:
            return None
        await self._check_signatures(base_url, association, answer.json())
        return association.mxid

    async def _bulk(self, base_url: str, threepids: Sequence[ThreePid]) -> dict[ThreePid, str]:
        asked = [spelling for threepid in threepids for spelling in spellings(threepid)]
        answer = await self._http.request("POST", f"{base_url}{PATH}/bulk_lookup", json={"threepids": asked})
        if answer.status != 200:
            raise status_error(answer.status, f"{answer.url} answered with status {answer.status}")
        return {fold(medium, address): user_id for medium, address, user_id in answer.decode(_Associations).threepids}

    async def _check_signatures(self, base_url: str, association: _Association, content: Any) -> None:
        """Raise :class:`NotJson` for a signature by a key that the server publishes, if it is not good."""
        signatures = [(name, key_id) for name, by_key in association.signatures.items() for key_id in by_key]
        for name, key_id in signatures[:MAX_SIGNATURES]:
            key = await self._key(base_url, key_id)
            if key and not verify(content, name, key_id, key):
                raise NotJson(f"{base_url} sent an association with a wrong signature by {key_id}")

    async def _key(self, base_url: str, key_id: str) -> str:
        """A public key, in unpadded base64; empty if the server does not publish it."""

        async def load(_: str | None) -> tuple[str, float]:
            answer = await self._http.request("GET", f"{base_url}{PATH}/pubkey/{quote(key_id, safe='')}")
            if answer.status == 404:
                return "", _HOUR
            if answer.status != 200:
                raise status_error(answer.status, f"{answer.url} answered with status {answer.status}")
            return answer.decode(_Key).public_key, _HOUR

        return await self._keys.get((base_url, key_id), load)
