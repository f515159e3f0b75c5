"""
The HTTP client for all servers but those that mxisd stands in front of.

Twisted's ``Agent`` is used bare: treq always keeps cookies, unpacks what is compressed and spells URLs its own way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import urljoin, urlsplit

import msgspec
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IConsumer
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, HTTPConnectionPool, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from ..reactor import IReactor
from ..waiting import within
from .connection import ConnectionPool, FilteredEndpoint
from .dns import Resolver
from .errors import NotJson, OutboundError, TimedOut, TooLarge, UrlRefused, explained
from .networks import Network
from .tls import Trust

MAX_ANSWER_BYTES = 1024 * 1024
DEFAULT_TIMEOUT = 10.0

_REDIRECTS = (301, 302, 303, 307, 308)

T = TypeVar("T")


@dataclass(frozen=True)
class HttpResponse:
    """A complete answer.  Header names are in lower case; ``url`` is without its query, for messages."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str = ""

    def json(self) -> Any:
        """The body, parsed.  Raises :class:`NotJson`."""
        return self.decode(object)

    def decode(self, shape: type[T]) -> T:
        """The body as a type that msgspec knows.  Raises :class:`NotJson`, also if it has another form."""
        try:
            return msgspec.json.decode(self.body, type=shape)
        except msgspec.ValidationError as error:
            raise NotJson(f"unexpected answer from {self.url}: {error}") from None
        except (ValueError, RecursionError):
            raise NotJson(f"the answer from {self.url} is not JSON") from None


class Http(Protocol):
    """What :class:`HttpClient` offers, for those who use it."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        json: object = None,
        timeout: float = DEFAULT_TIMEOUT,
        max_bytes: int = MAX_ANSWER_BYTES,
        redirects: int = 0,
        connect_to: tuple[str, int] | None = None,
    ) -> HttpResponse:
        """
        Send a request and return the whole answer, whatever its status.

        ``body`` is sent as it is, or else ``json`` encoded, if not ``None``.  ``timeout`` is in seconds and covers
        everything from the name's resolution to the last byte.  Up to ``redirects`` are followed, to https only and
        without the headers given; they are for GET.  ``connect_to`` (host, port) is where the server of the URL is
        found, which still has to prove that it is the URL's host.  Raises :class:`OutboundError`.
        """
        ...


class HttpClient:
    """
    See :class:`Http`.

    Names are resolved by ``resolver``; private addresses are refused when connecting, unless within ``allowed``.
    """

    def __init__(self, reactor: IReactor, resolver: Resolver, trust: Trust, allowed: Collection[Network] = ()) -> None:
        self._reactor = reactor
        self._resolver = resolver
        self._trust = trust
        self._allowed = allowed
        self._pool: HTTPConnectionPool = ConnectionPool(reactor)

    async def close(self) -> None:
        """Close the connections kept."""
        await self._pool.closeCachedConnections()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        json: object = None,
        timeout: float = DEFAULT_TIMEOUT,
        max_bytes: int = MAX_ANSWER_BYTES,
        redirects: int = 0,
        connect_to: tuple[str, int] | None = None,
    ) -> HttpResponse:
        """See :class:`Http`."""
        sent = {"User-Agent": "mxisd", **(headers or {})}
        if body is None and json is not None:
            body = msgspec.json.encode(json)
            sent.setdefault("Content-Type", "application/json")
        content = None if body is None else _Body(body)

        work = self._exchange(method, url, sent, content, max_bytes, redirects, connect_to)
        late = TimedOut(f"no complete answer from {_shown(url)} within {timeout:g} seconds")
        try:
            return await within(timeout, self._reactor, work, late)
        except OutboundError as error:
            error.sent = content is not None and content.sent
            raise

    async def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: _Body | None,
        max_bytes: int,
        redirects: int,
        connect_to: tuple[str, int] | None,
    ) -> HttpResponse:
        answer = await self._single(method, url, headers, body, max_bytes, connect_to)
        location = answer.headers.get("location")
        if redirects == 0 or answer.status not in _REDIRECTS or location is None:
            return answer
        try:
            following = urljoin(url, location)
        except ValueError:
            following = location
        if not following.lower().startswith("https://"):
            raise UrlRefused(f"{_shown(url)} redirects to something else than https")
        return await self._exchange("GET", following, {}, None, max_bytes, redirects - 1, None)

    async def _single(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: _Body | None,
        max_bytes: int,
        connect_to: tuple[str, int] | None,
    ) -> HttpResponse:
        _check_url(url)
        # A kept connection may be closing at the other end.  Without a body the request is then repeated; with one,
        # nobody could say whether it arrived.
        pool = self._pool if body is None else None
        endpoints = _Endpoints(self._endpoint, connect_to)
        if body is not None:
            body.endpoints = endpoints
        agent = Agent.usingEndpointFactory(self._reactor, endpoints, pool)
        try:
            response: IResponse = await agent.request(
                method.encode("ascii"),
                url.encode("ascii"),
                Headers({name: [value] for name, value in headers.items()}),
                body,
            )
            reader = _Reader(max_bytes)
            response.deliverBody(reader)
            content = await reader.done
        except CancelledError:
            raise
        except Exception as error:
            raise explained(error, _shown(url)) from error
        return HttpResponse(response.code, _flat(response.headers), content, _shown(url))

    def _endpoint(self, uri: URI, connect_to: tuple[str, int] | None) -> FilteredEndpoint:
        host = uri.host.decode("ascii")
        tls = self._trust.connection_to(host, uri.port) if uri.scheme == b"https" else None
        return FilteredEndpoint(self._reactor, self._resolver, self._allowed, connect_to or (host, uri.port), tls)


@implementer(IAgentEndpointFactory)
class _Endpoints:
    def __init__(self, endpoint: Callable[..., FilteredEndpoint], connect_to: tuple[str, int] | None) -> None:
        self._endpoint = endpoint
        self._connect_to = connect_to
        self._made: FilteredEndpoint | None = None

    @property
    def open(self) -> bool:
        """Whether what was written to the connection made last has gone out."""
        return self._made is not None and self._made.open

    def endpointForURI(self, uri: URI) -> FilteredEndpoint:
        self._made = endpoint = self._endpoint(uri, self._connect_to)
        return endpoint


@implementer(IBodyProducer)
class _Body:
    def __init__(self, data: bytes) -> None:
        self.length = len(data)
        self.endpoints: _Endpoints | None = None
        self._begun = False
        self._data = data

    @property
    def sent(self) -> bool:
        """Whether the other side may have got it."""
        return self._begun and self.endpoints is not None and self.endpoints.open

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        self._begun = True
        consumer.write(self._data)
        return succeed(None)

    def stopProducing(self) -> None: ...

    def pauseProducing(self) -> None: ...

    def resumeProducing(self) -> None: ...


class _Reader(TwistedProtocol):
    """Collects a body, up to a limit."""

    def __init__(self, max_bytes: int) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._abort())
        self._left = max_bytes
        self._parts: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left >= 0:
            self._parts.append(data)
        elif not self.done.called:
            self.done.errback(TooLarge("the answer is too large"))
            self._abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.done.called:
            return
        # PotentialDataLoss: neither length nor chunks, so that the end of the connection is the end of the body.
        if reason.check(ResponseDone, PotentialDataLoss):
            self.done.callback(b"".join(self._parts))
        else:
            self.done.errback(reason)

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
        fine = fine and parts.port != 0 and url.isascii() and url.isprintable() and " " not in url
    except ValueError:
        fine = False
    if not fine:
        raise UrlRefused(f"{_shown(url)!r} is not a URL that can be requested")


def _shown(url: str) -> str:
    return url.partition("?")[0]


def _flat(headers: Headers) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): ", ".join(value.decode("latin-1") for value in values)
        for name, values in headers.getAllRawHeaders()
    }
