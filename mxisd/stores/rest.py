"""``rest``: users behind an HTTP API of the administrator's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from twisted.internet.defer import DeferredSemaphore

from ..config.stores import Rest
from ..matrix.threepid import ThreePid
from ..net.http_client import Http
from .address import in_all_spellings, one_by_one
from .bodies import AuthAnswer, BulkAnswer, ProfileAnswer, ProfileFields, Reader, SearchAnswer, SingleAnswer, user_parts
from .localpart import UserIds
from .store import Entry, Profile, Store

T = TypeVar("T")

# Many addresses make long answers, though not endless ones.
_MAX_BYTES = 16 * 1024 * 1024
# Lookups of single addresses under way, where there is no endpoint for many.
_AT_ONCE = 16
# Statuses by which an API may say that there is nobody, or that a password is wrong.
_NOBODY = frozenset({404})
_NOT_LET_IN = frozenset({401, 403, 404})


class RestFailed(Exception):
    """The API answered with an error."""


class RestStore:
    """Answers from an HTTP API, of which an endpoint that is empty is not asked."""

    name = "rest"
    local = True

    def __init__(self, config: Rest, http: Http, user_ids: UserIds) -> None:
        self._urls = {
            key: f"{config.host or ''}{endpoint}" if endpoint.startswith("/") else endpoint
            for key, endpoint in config.endpoints.given
        }
        self._http = http
        self._user_ids = user_ids
        self._reader = Reader(user_ids)
        self._places = DeferredSemaphore(_AT_ONCE)

    def offered(self) -> Store:
        """The store, with what its endpoints allow."""
        urls = self._urls
        return Store(
            self.name,
            source=self if urls["identity.single"] or urls["identity.bulk"] else None,
            profiles=self if any(urls[key] for key in urls if key.startswith("profile.")) else None,
            directory=self if urls["directory"] else None,
            authentication=self if urls["auth"] else None,
        )

    @in_all_spellings
    async def lookup(self, asked: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        if self._urls["identity.bulk"] and (len(asked) > 1 or not self._urls["identity.single"]):
            body = {"lookup": [threepid._asdict() for threepid in asked]}
            answer = await self._post("identity.bulk", body, BulkAnswer)
            return dict(self._reader.pairs(answer.lookup)) if answer else {}
        return await one_by_one(self._lookup_one, asked)

    async def _lookup_one(self, threepid: ThreePid) -> str | None:
        async with self._places:
            answer = await self._post("identity.single", {"lookup": threepid._asdict()}, SingleAnswer)
        # It was asked about one address only, which it need not repeat.
        return self._reader.user_id(answer.lookup.id) if answer and answer.lookup and answer.lookup.id else None

    async def display_name(self, user_id: str) -> str | None:
        return (await self._profile("profile.displayName", user_id)).display_name

    async def threepids(self, user_id: str) -> Sequence[ThreePid]:
        return (await self._profile("profile.threepids", user_id)).addresses

    async def roles(self, user_id: str) -> Sequence[str]:
        return (await self._profile("profile.roles", user_id)).roles or ()

    async def search_by_name(self, term: str, limit: int) -> Sequence[Entry]:
        return await self._search("name", term, limit)

    async def search_by_threepid(self, term: str, limit: int) -> Sequence[Entry]:
        return await self._search("threepid", term, limit)

    async def authenticate(self, user_id: str, password: str) -> Profile | None:
        user = user_parts(self._user_ids, user_id)
        if user is None:
            return None
        body = {"auth": {**user, "password": password}}
        answer = await self._post("auth", body, AuthAnswer, nothing=_NOT_LET_IN)
        return self._reader.login(user_id, answer.auth) if answer else None

    async def _profile(self, endpoint: str, user_id: str) -> ProfileFields:
        user = user_parts(self._user_ids, user_id)
        answer = await self._post(endpoint, user, ProfileAnswer) if user else None
        return (answer.profile if answer else None) or ProfileFields()

    async def _search(self, by: str, term: str, limit: int) -> list[Entry]:
        answer = await self._post("directory", {"by": by, "search_term": term}, SearchAnswer)
        return self._reader.entries(answer.results, limit) if answer else []

    async def _post(
        self, endpoint: str, body: Mapping[str, object], shape: type[T], nothing: frozenset[int] = _NOBODY
    ) -> T | None:
        """
        What the API answers; ``None`` for a status that means nothing, and from an endpoint that is switched off.

        Raises :class:`RestFailed`, and :class:`~mxisd.net.errors.OutboundError`.
        """
        url = self._urls[endpoint]
        if not url:
            return None
        answer = await self._http.request("POST", url, json=body, max_bytes=_MAX_BYTES)
        if answer.status in nothing:
            return None
        if not 200 <= answer.status < 300:
            raise RestFailed(f"{url} answered with the status {answer.status}")
        return answer.decode(shape)
