"""Requests to other homeservers (specification: server-server API), and the keys that they sign theirs with."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ..cache import Cache
from ..log import Logger
from ..net.errors import AddressRefused, ConnectionFailed, NameUnknown, NotJson, OutboundError, TimedOut, TlsFailed
from ..net.http_client import DEFAULT_TIMEOUT, Http, HttpResponse
from ..waiting import within
from .discovery import Destination
from .error import MatrixError, read_error, retry_after
from .ids import InvalidIdentifier, is_user_of
from .signing import verify
from .xmatrix import unverified

log = Logger()

_DAY = 24 * 3600.0
_ERROR_SECONDS = 60.0
_CACHED_SERVERS = 10_000
# More places than these say nothing that the first ones did not.
_MAX_TARGETS = 3


class ServerDiscovery(Protocol):
    """What federation wants from :class:`~mxisd.matrix.discovery.Discovery`."""

    def resolve(self, server_name: str) -> Coroutine[Deferred[Any], Any, Destination]: ...


class _UserInfo(msgspec.Struct):
    sub: str


class _VerifyKey(msgspec.Struct):
    key: str


class _ServerKeys(msgspec.Struct):
    server_name: str
    valid_until_ts: int
    verify_keys: dict[str, _VerifyKey]


class _Keys(NamedTuple):
    """The keys by ID, or why there are none; and when, in seconds, they were fetched."""

    keys: dict[str, str]
    problem: str
    fetched: float


class Overwrites:
    """The base URLs of homeservers that the administrator has put in place of discovery, and what to reach them by."""

    def __init__(self, urls: Mapping[str, str], http: Http) -> None:
        """``urls`` are by server name."""
        self._urls = {server_name.lower(): url for server_name, url in urls.items()}
        self.http = http

    def url_of(self, server_name: str) -> str | None:
        """The base URL for a server name in any case; ``None`` leaves it to discovery."""
        return self._urls.get(server_name.lower())


class FederationClient:
    """Speaks to homeservers by their server names."""

    def __init__(
        self, clock: IReactorTime, http: Http, discovery: ServerDiscovery, overwrites: Overwrites | None = None
    ) -> None:
        self._clock = clock
        self._http = http
        self._discovery = discovery
        self._overwrites = overwrites or Overwrites({}, http)
        self._keys: Cache[str, _Keys] = Cache(clock, _CACHED_SERVERS)

    async def request(
        self, server_name: str, method: str, path: str, *, json: object = None, timeout: float = DEFAULT_TIMEOUT
    ) -> HttpResponse:
        """
        Send a request to a homeserver, found by discovery; ``path`` may have a query.

        ``timeout`` is in seconds and covers discovery too.  Raises :class:`OutboundError`, and
        :class:`InvalidIdentifier` if it is no server name.
        """
        if (base_url := self._overwrites.url_of(server_name)) is not None:
            return await self._overwrites.http.request(method, base_url + path, json=json, timeout=timeout)
        late = TimedOut(f"no complete answer from {server_name} within {timeout:g} seconds")
        end = self._clock.seconds() + timeout
        destination = await within(timeout, self._clock, self._discovery.resolve(server_name), late)
        failure: OutboundError = late
        for target in destination.targets[:_MAX_TARGETS]:
            left = end - self._clock.seconds()
            if left <= 0:
                break
            try:
                return await self._http.request(
                    method,
                    f"https://{destination.host}{path}",
                    headers={"Host": destination.host},
                    json=json,
                    timeout=left,
                    connect_to=target,
                )
            except (ConnectionFailed, NameUnknown, AddressRefused, TlsFailed) as error:
                if error.sent:
                    raise
                failure = error
        raise failure

    async def userinfo(self, server_name: str, openid_token: str) -> str:
        """
        The user ID that an OpenID token of a homeserver stands for ("OpenID").

        Raises :class:`MatrixError`: 400 if that is no server name, 401 if the token is not accepted, 403 if the answer
        is about a user of another server, 429 if the server has no time, and 502 if there is no usable answer.
        """
        path = f"/_matrix/federation/v1/openid/userinfo?access_token={quote(openid_token, safe='')}"
        try:
            answer = await self.request(server_name, "GET", path)
            if answer.status == 429 or answer.status >= 500:
                raise _not_now(server_name, answer)
            if 400 <= answer.status < 500:
                raise MatrixError(401, "M_UNAUTHORIZED", f"{server_name} does not accept the OpenID token")
            if answer.status != 200:
                raise OutboundError(f"it answered with status {answer.status}")
            user_id = answer.decode(_UserInfo).sub
        except InvalidIdentifier as error:
            raise MatrixError(400, "M_INVALID_PARAM", str(error)) from None
        except OutboundError as error:
            # For the log only: whoever named the server need not learn what there is at its address.
            log.warn("an OpenID token cannot be checked at {server}: {error}", server=server_name, error=error)
            raise MatrixError(502, "M_UNKNOWN", f"The OpenID token cannot be checked at {server_name}") from None
        if not is_user_of(user_id, server_name):
            raise MatrixError(403, "M_FORBIDDEN", f"{server_name} answered with what is not one of its user IDs")
        return user_id

    async def onbind(self, server_name: str, body: object, timeout: float = DEFAULT_TIMEOUT) -> HttpResponse:
        """
        Tell a homeserver that an address of one of its users was bound ("Third-party invites").

        It is specified as PUT and built as POST everywhere.  Returns the answer, whatever its status; raises as
        :meth:`request`.
        """
        path = "/_matrix/federation/v1/3pid/onbind"
        answer = await self.request(server_name, "POST", path, json=body, timeout=timeout)
        if answer.status in (404, 405) and read_error(answer.body).errcode in ("M_UNRECOGNIZED", ""):
            answer = await self.request(server_name, "PUT", path, json=body, timeout=timeout)
        return answer

    async def verify_keys(self, server_name: str, key_id: str) -> str:
        """
        A public key, in unpadded base64, with which a homeserver signs its requests ("Publishing Keys").

        Raises :class:`MatrixError` with 403 ``M_FORBIDDEN`` if the server publishes no such key, or cannot be asked.
        """
        found = await self._published(server_name)
        if key_id not in found.keys and self._clock.seconds() - found.fetched >= _ERROR_SECONDS:
            # It may be a new one.
            self._keys.forget(server_name)
            found = await self._published(server_name)
        if key_id not in found.keys:
            problem = found.problem or f"it does not publish {key_id}"
            log.info("the signature of {server} cannot be verified: {problem}", server=server_name, problem=problem)
            raise unverified(server_name)
        return found.keys[key_id]

    async def _published(self, server_name: str) -> _Keys:
        async def load(_: _Keys | None) -> tuple[_Keys, float]:
            try:
                keys, seconds = await self._fetch_keys(server_name)
            except (OutboundError, InvalidIdentifier) as error:
                return _Keys({}, str(error), self._clock.seconds()), _ERROR_SECONDS
            return _Keys(keys, "", self._clock.seconds()), seconds

        return await self._keys.get(server_name, load)

    async def _fetch_keys(self, server_name: str) -> tuple[dict[str, str], float]:
        answer = await self.request(server_name, "GET", "/_matrix/key/v2/server")
        if answer.status != 200:
            raise OutboundError(f"its keys cannot be had: it answered with status {answer.status}")
        published = answer.decode(_ServerKeys)
        keys = {key_id: each.key for key_id, each in published.verify_keys.items()}
        if published.server_name != server_name:
            raise NotJson("its keys are those of another server")
        validity = published.valid_until_ts / 1000 - self._clock.seconds()
        if validity <= 0:
            raise NotJson("its keys have expired")
        content = answer.json()
        if not any(verify(content, server_name, key_id, key) for key_id, key in keys.items()):
            raise NotJson("its keys are not signed by any of them")
        return keys, min(validity, _DAY)


def _not_now(server_name: str, answer: HttpResponse) -> MatrixError:
    """A homeserver has no time or is out of order, which says nothing about the token: when to come again."""
    log.warn("an OpenID token cannot be checked at {server}: status {status}", server=server_name, status=answer.status)
    wait = retry_after(answer.headers, read_error(answer.body))
    fields = {"retry_after_ms": wait} if wait else {}
    if answer.status == 429:
        return MatrixError(429, "M_LIMIT_EXCEEDED", f"{server_name} is asked too often", **fields)
    return MatrixError(502, "M_UNKNOWN", f"The OpenID token cannot be checked at {server_name}", **fields)
