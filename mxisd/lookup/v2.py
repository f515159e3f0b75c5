"""Asking another identity server by version 2 of its API, which shows it hashes only (specification: "Lookup")."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from ..matrix.error import read_error
from ..matrix.hashing import digests
from ..matrix.threepid import ThreePid
from ..net.errors import NotJson, OutboundError, RequestRefused, status_error
from ..net.http_client import Http

T = TypeVar("T")

PATH = "/_matrix/identity/v2"
# More addresses than these go in several requests.
PORTION = 1000
# What a request may need before it succeeds: an account, accepted terms, the pepper.
MAX_ATTEMPTS = 4

OpenId = Callable[[], Awaitable[Mapping[str, object]]]
"""A new OpenID token of ours, as the homeserver hands it out."""


class NotServed(OutboundError):
    """The server does not have version 2 of the API."""


class _Refused(RequestRefused):
    def __init__(self, message: str, errcode: str) -> None:
        super().__init__(message)
        self.errcode = errcode


class _Account(Struct):
    token: str = ""
    access_token: str = ""
    """What Sydent called it first."""


class _Details(Struct):
    lookup_pepper: str
    algorithms: list[str]


class _Mappings(Struct):
    mappings: dict[str, str]


class _Terms(Struct):
    policies: dict[str, dict[str, Any]]


class V2:
    """One server, and our account there: made when it is needed, by an OpenID token."""

    def __init__(self, http: Http, base_url: str, open_id: OpenId, accepted_terms: Collection[str]) -> None:
        """``accepted_terms`` are URLs of terms that the administrator has read and accepted."""
        self._http = http
        self._base_url = base_url
        self._open_id = open_id
        self._accepted_terms = accepted_terms
        self._token: str | None = None
        self._pepper: str | None = None

    async def lookup(self, threepids: Sequence[ThreePid]) -> dict[ThreePid, str]:
        """
        Whom the server says these addresses belong to.

        Raises :class:`NotServed`, and any other :class:`OutboundError`.
        """
        found: dict[ThreePid, str] = {}
        for first in range(0, len(threepids), PORTION):
            found |= await self._persist(threepids[first : first + PORTION])
        return found

    async def _persist(self, threepids: Sequence[ThreePid]) -> dict[ThreePid, str]:
        """Look up, and do what the server wants to have done first."""
        for _ in range(MAX_ATTEMPTS):
            try:
                return await self._lookup(threepids)
            except _Refused as refused:
                failure = refused
                match refused.errcode:
                    case "M_UNAUTHORIZED" | "M_UNKNOWN_TOKEN" | "M_MISSING_TOKEN":
                        self._token = None
                    case "M_TERMS_NOT_SIGNED":
                        await self._accept_terms()
                    case "M_INVALID_PEPPER":
                        self._pepper = None
                    case _:
                        raise
        raise failure

    async def _lookup(self, threepids: Sequence[ThreePid]) -> dict[ThreePid, str]:
        if self._token is None:
            self._token = await self._register()
        if self._pepper is None:
            self._pepper = await self._fetch_pepper()
        asked = {digest: threepid for threepid in threepids for digest in digests(threepid, self._pepper)}
        body = {"algorithm": "sha256", "pepper": self._pepper, "addresses": list(asked)}
        answer = await self._request("POST", "/lookup", _Mappings, body)
        return {asked[hashed]: user_id for hashed, user_id in answer.mappings.items() if hashed in asked}

    async def _register(self) -> str:
        try:
            account = await self._request("POST", "/account/register", _Account, await self._open_id())
        except _Refused as refused:
            # Not for want of anything that would be done about it.
            raise RequestRefused(str(refused)) from None
        token = account.token or account.access_token
        if not token:
            raise NotJson(f"{self._base_url} registered us without telling the access token")
        return token

    async def _fetch_pepper(self) -> str:
        details = await self._request("GET", "/hash_details", _Details)
        if "sha256" not in details.algorithms:
            raise OutboundError(f"{self._base_url} does not look up SHA-256 hashes, only {details.algorithms}")
        return details.lookup_pepper

    async def _accept_terms(self) -> None:
        terms = await self._request("GET", "/terms", _Terms)
        accepted = []
        for name, policy in terms.policies.items():
            urls = [language["url"] for language in policy.values() if isinstance(language, dict) and "url" in language]
            ours = [url for url in urls if url in self._accepted_terms]
            if not ours:
                raise OutboundError(
                    f"{self._base_url} wants its terms {name!r} accepted: {', '.join(map(str, urls))};"
                    " who accepts them names one URL in forward.account.acceptedTerms"
                )
            accepted += ours
        await self._request("POST", "/terms", dict[str, Any], {"user_accepts": accepted})

    async def _request(self, method: str, path: str, shape: type[T], body: object = None) -> T:
        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        answer = await self._http.request(method, f"{self._base_url}{PATH}{path}", headers=headers, json=body)
        if answer.status == 200:
            return answer.decode(shape)
        error = read_error(answer.body)
        message = f"{answer.url} answered with status {answer.status}, {error}"
        if answer.status in (404, 405) and error.errcode in ("", "M_UNKNOWN", "M_UNRECOGNIZED", "M_NOT_FOUND"):
            raise NotServed(message)
        failure = status_error(answer.status, message)
        raise _Refused(message, error.errcode) if isinstance(failure, RequestRefused) else failure
