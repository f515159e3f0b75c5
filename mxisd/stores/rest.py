"""``rest``: users behind an HTTP API of the administrator's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.internet.defer import DeferredSemaphore

from ..config.stores import Rest, RestEndpoints
from ..log import Logger
from ..matrix.threepid import ThreePid
from ..net.http_client import Http, HttpResponse
from .address import in_all_spellings, one_by_one
from .bodies import BadAnswer, Fields, ProfileFields, Reader, decoded, user_parts
from .localpart import UserIds
from .store import Entry, Profile, Store

log = Logger()

# Many addresses make long answers, though not endless ones.
_MAX_BYTES = 16 * 1024 * 1024
# Lookups of single addresses under way, where there is no endpoint for many.
_AT_ONCE = 16
# Statuses by which an API may say that there is nobody.
_NOBODY = frozenset({204, 400, 404})
# Whatever is the client's fault at a login is the password's.
_NOT_LET_IN = frozenset({204, *range(400, 500)})
# Where an API of ma1sd's has what one of mxisd's has.
_MXISD, _MA1SD = "/_mxisd/", "/_ma1sd/"


class RestFailed(Exception):
    """The API answered with an error of its own."""


class RestStore:
    """Answers from an HTTP API, of which an endpoint that is empty is not asked."""

    name = "rest"
    local = True

    def __init__(self, config: Rest, http: Http, user_ids: UserIds) -> None:
        self._urls = {
            key: f"{config.host or ''}{endpoint}" if endpoint.startswith("/") else endpoint
            for key, endpoint in config.endpoints.given
        }
        # Endpoints that may be ma1sd's as well, as long as nobody has answered at either.
        defaults = dict(RestEndpoints().given)
        self._unsettled = {key for key, endpoint in config.endpoints.given if endpoint == defaults[key]}
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
            return dict(self._reader.pairs(await self._post("identity.bulk", body)))
        return await one_by_one(self._lookup_one, asked)

    async def _lookup_one(self, threepid: ThreePid) -> str | None:
        async with self._places:
            return self._reader.found_one(await self._post("identity.single", {"lookup": threepid._asdict()}))

    async def display_name(self, user_id: str) -> str | None:
        return (await self._profile("profile.displayName", user_id)).display_name

    async def threepids(self, user_id: str) -> Sequence[ThreePid]:
        return (await self._profile("profile.threepids", user_id)).addresses

    async def roles(self, user_id: str) -> Sequence[str]:
        return (await self._profile("profile.roles", user_id)).roles

    async def search_by_name(self, term: str, limit: int) -> Sequence[Entry]:
        return await self._search("name", term, limit)

    async def search_by_threepid(self, term: str, limit: int) -> Sequence[Entry]:
        return await self._search("threepid", term, limit)

    async def authenticate(self, user_id: str, password: str) -> Profile | None:
        user = user_parts(self._user_ids, user_id)
        if user is None:
            return None
        answer = await self._post("auth", {"auth": {**user, "password": password}}, nothing=_NOT_LET_IN)
        return self._reader.login(user_id, answer)

    async def _profile(self, endpoint: str, user_id: str) -> ProfileFields:
        user = user_parts(self._user_ids, user_id)
        return ProfileFields(await self._post(endpoint, user) if user else {})

    async def _search(self, by: str, term: str, limit: int) -> Sequence[Entry]:
        return self._reader.entries(await self._post("directory", {"by": by, "search_term": term}), limit)

    async def _post(self, endpoint: str, body: Mapping[str, object], nothing: frozenset[int] = _NOBODY) -> Fields:
        """
        What the API answers; nothing for a status that means nothing, and from an endpoint that is switched off.

        Raises :class:`RestFailed`, :class:`BadAnswer`, and :class:`~mxisd.net.errors.OutboundError`.
        """
        url = self._urls[endpoint]
        if not url:
            return {}
        answer = await self._request(url, body)
        if endpoint in self._unsettled:
            answer = await self._settled(endpoint, answer, body)
        if answer.status in nothing:
            return {}
        if answer.status >= 500:
            raise RestFailed(f"{answer.url} answered with the status {answer.status}")
        if not 200 <= answer.status < 300:
            raise BadAnswer(f"{answer.url} answered with the status {answer.status}")
        return decoded(answer.body)

    async def _settled(self, endpoint: str, answer: HttpResponse, body: Mapping[str, object]) -> HttpResponse:
        """
        The answer of mxisd's default endpoint, or that of ma1sd's where the former is not there.

        By 404 an API may also say that there is nobody: until one of the two says anything else, both are asked.
        """
        if answer.status == 404:
            url = self._urls[endpoint].replace(_MXISD, _MA1SD)
            other = await self._request(url, body)
            if not 200 <= other.status < 300:
                return answer
            log.info("the API has ma1sd's default paths: {url}", url=url)
            self._urls[endpoint] = url
            answer = other
        if 200 <= answer.status < 300:
            self._unsettled.discard(endpoint)
        return answer

    async def _request(self, url: str, body: Mapping[str, object]) -> HttpResponse:
        return await self._http.request("POST", url, json=body, max_bytes=_MAX_BYTES)
