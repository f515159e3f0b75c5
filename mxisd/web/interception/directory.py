"""Searches of the user directory: what the homeserver finds, and what the identity stores find."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ...config.interception import Exclude
from ...log import Logger
from ...matrix.error import MatrixError
from ...stores.search import SEARCH_TIMEOUT, StoreSearch, merged
from ...waiting import within
from ..answer import Whole
from ..body import from_values
from ..endpoint import Call
from ..proxy import NotAccepted, Proxy
from .body import JSON, read, write

log = Logger()

# As Synapse has it.
MAX_RESULTS = 50


class SearchParameters(Struct):
    search_term: str
    limit: int = 10


class HomeserverResults(Struct):
    """What the homeserver finds; its results are passed on with all that is in them."""

    results: list[dict[str, Any]] = []
    limited: bool = False


class DirectoryInterception:
    """Answers whom the homeserver knows, guests excepted.  If it cannot search, what the stores find is the answer."""

    def __init__(self, proxy: Proxy, stores: StoreSearch, exclude: Exclude, clock: IReactorTime) -> None:
        self._proxy = proxy
        self._stores = stores
        self._exclude = exclude
        self._clock = clock

    async def search(self, call: Call) -> object:
        """Search both at once."""
        body = read(call.raw_body)
        asked, content = from_values(body, SearchParameters), write(body)
        limit = max(0, min(asked.limit, MAX_RESULTS))
        try:
            sender = await self._proxy.identity(call)
        except NotAccepted as refusal:
            return refusal.answer
        if sender.is_guest:
            raise MatrixError(403, "M_GUEST_ACCESS_FORBIDDEN", "Guests cannot search the user directory")
        # One more than asked for tells whether there are more.
        ours = Deferred.fromCoroutine(self._stores.find(asked.search_term, limit + 1))
        theirs = await self._from_homeserver(call, content)
        if isinstance(theirs, Whole):
            return theirs
        results, limited = merged(theirs.results, await ours, limit)
        return {"results": results, "limited": limited or theirs.limited}

    async def _from_homeserver(self, call: Call, content: bytes) -> HomeserverResults | Whole:
        """What it finds; nothing if it fails, or its answer if it refuses the request."""
        if self._exclude.homeserver:
            return HomeserverResults()
        try:
            late = MatrixError(504, "M_UNKNOWN", "The homeserver does not answer")
            answer = await within(SEARCH_TIMEOUT, self._clock, self._proxy.fetch(call, content, JSON), late)
        except MatrixError as error:
            log.warn("the homeserver could not be searched: {error}", error=error)
            return HomeserverResults()
        # 404 is one that has no directory.
        if 400 <= answer.status < 500 and answer.status != 404:
            return answer
        try:
            found = msgspec.json.decode(answer.body if answer.status == 200 else b"", type=HomeserverResults)
        except (ValueError, RecursionError):
            log.warn("the homeserver could not be searched: unexpected answer, status {status}", status=answer.status)
            return HomeserverResults()
        return HomeserverResults(
            [result for result in found.results if isinstance(result.get("user_id"), str)], found.limited
        )
