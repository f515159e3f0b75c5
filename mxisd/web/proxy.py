"""
The way from mxisd to the homeserver: forwards requests, and asks whose they are.

What is forwarded is made anew from what was read here: the path from its decoded segments, and a body that was judged
from the values found in it.  Twisted's ``Agent`` is used bare: treq would unpack answers and keep cookies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import quote

import msgspec
import treq
from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.defer import TimeoutError as TooLate
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.interfaces import IConsumer, IReactorTime, IStreamClientEndpoint
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from ..log import Logger
from ..matrix.error import MatrixError
from ..matrix.ids import InvalidIdentifier, split_user_id
from ..net.connection import host_endpoint
from ..net.http_server import HttpRequest, IncomingBody
from ..net.tls import Trust
from ..reactor import IReactor
from .answer import HOP_BY_HOP, Relay, Whole
from .client import Clients
from .endpoint import Call

log = Logger()

T = TypeVar("T")

WHOAMI = b"/_matrix/client/v3/account/whoami"
CONNECT_TIMEOUT = 10.0  # seconds
# Seconds until an answer begins: for an invite over federation, the homeserver of the invitee has a minute.
HOMESERVER_TIMEOUT = 120.0
# What is read of an answer that is not just passed on: a profile may have 64 KiB, and a search finds up to 50 of them.
ANSWER_LIMIT = 4 * 1024 * 1024

_NOT_FORWARDED = HOP_BY_HOP.union(
    # Said anew, of what is forwarded and by whom.
    b"host content-length content-encoding expect forwarded x-real-ip".split(),
    b"x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto".split(),
    # Would make another request of it.
    b"x-http-method x-http-method-override x-method-override".split(),
)
_ABOUT_BODIES = (b"content-type", b"accept-encoding")

# Visible ASCII, but no fragment: no client sends one, and what it would be is anybody's guess.
_QUERY = re.compile(rb"[\x21\x22\x24-\x7e]*")
_SLASH = re.compile(r"[/\\]")
_PLAIN_IN_SEGMENT = "!$&'()*+,:=@~"


class HomeserverUrls:
    """Which homeserver stands behind which ``Host``: those of the configuration, and no others."""

    def __init__(self, by_name: Mapping[str, str], otherwise: str | None) -> None:
        """Base URLs by name, with or without a port; ``otherwise`` is for all other names."""
        self._by_name = {name.lower(): url for name, url in by_name.items()}
        self._otherwise = otherwise

    def behind(self, host: str) -> str:
        """The base URL for a host.  Raises :class:`MatrixError`."""
        host = host.lower()
        without_port = re.sub(r":[0-9]+\Z", "", host)
        url = self._by_name.get(host) or self._by_name.get(without_port) or self._otherwise
        if url is None:
            raise MatrixError(404, "M_NOT_FOUND", "There is no homeserver of this name here")
        return url


@implementer(IAgentEndpointFactory)
class _Endpoints:
    def __init__(self, reactor: IReactor, trust: Trust) -> None:
        self._reactor = reactor
        self._trust = trust

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        host = uri.host.decode("ascii")
        endpoint = host_endpoint(self._reactor, host, uri.port, CONNECT_TIMEOUT)
        if uri.scheme == b"https":
            return wrapClientTLS(self._trust.connection_to(host, uri.port), endpoint)
        return endpoint


def agent_for(reactor: IReactor, trust: Trust) -> IAgent:
    """What connects to the homeservers of the configuration, and keeps connections for a while."""
    pool = HTTPConnectionPool(reactor)
    pool.maxPersistentPerHost = 64
    # Less than servers do, Synapse a minute: what they close while we send is lost, and must not be sent twice.
    pool.cachedConnectionTimeout = 30
    agent: IAgent = Agent.usingEndpointFactory(reactor, _Endpoints(reactor, trust), pool)
    return agent


class Identity(Struct):
    user_id: str
    is_guest: bool = False


class NotAccepted(Exception):
    """The homeserver does not say whose a request is; what it says instead is for the client."""

    def __init__(self, answer: Whole) -> None:
        super().__init__()
        self.answer = answer


class Proxy:
    """Speaks to the homeserver in the name of clients."""

    def __init__(self, agent: IAgent, homeservers: HomeserverUrls, clients: Clients, clock: IReactorTime) -> None:
        self._agent = agent
        self._homeservers = homeservers
        self._clients = clients
        self._clock = clock

    async def sender(self, call: Call) -> str:
        """The user ID of :meth:`identity`."""
        return (await self.identity(call)).user_id

    async def identity(self, call: Call) -> Identity:
        """
        Whose a request is: the homeserver is shown the same credentials as with the request, wherever these are.

        Raises :class:`NotAccepted`, and :class:`MatrixError` when the homeserver cannot be asked.
        """
        headers = self._headers(call.request)
        for name in _ABOUT_BODIES:
            headers.removeHeader(name)
        answer = await self._ask(call, b"GET", WHOAMI, headers, b"")
        content = await self._content(call, answer)
        if answer.code != 200:
            raise NotAccepted(Whole(answer, content))
        try:
            identity = msgspec.json.decode(content, type=Identity)
            split_user_id(identity.user_id)
        except InvalidIdentifier:
            raise _failed(ValueError("whoami told no user ID")) from None
        except (ValueError, RecursionError) as error:
            raise _failed(error) from error
        return identity

    async def has_account(self, call: Call) -> bool:
        """Whether a user asks, and no guest: they get a token for nothing.  Raises :class:`MatrixError`."""
        if call.access_token() is None:
            return False
        try:
            return not (await self.identity(call)).is_guest
        except NotAccepted:
            return False

    async def forward(self, call: Call, body: bytes | IncomingBody, content_type: bytes | None = None) -> Relay:
        """
        Send a request on with a body, of this type if it is not of the client's.

        Returns the homeserver's answer.  Raises :class:`MatrixError` when the homeserver cannot be reached.
        """
        headers = self._headers(call.request, content_type)
        return Relay(await self._ask(call, call.request.method, path(call.request), headers, body))

    async def fetch(self, call: Call, body: bytes = b"", content_type: bytes | None = None) -> Whole:
        """Like :meth:`forward`, but read the answer, which is not compressed."""
        headers = self._headers(call.request, content_type)
        headers.removeHeader(b"accept-encoding")
        answer = await self._ask(call, call.request.method, path(call.request), headers, body)
        return Whole(answer, await self._content(call, answer))

    async def _ask(
        self, call: Call, method: bytes, path: bytes, headers: Headers, body: bytes | IncomingBody
    ) -> IResponse:
        request = call.request
        _, mark, query = request.uri.partition(b"?")
        if not _QUERY.fullmatch(query):
            raise MatrixError(400, "M_UNKNOWN", "The query has characters in it that have to be percent-encoded")
        url = self._homeservers.behind(_host(request)).encode("ascii") + path + mark + query
        try:
            producer = _Content(body) if isinstance(body, bytes) and body else body or None
            answer = self._agent.request(method, url, headers, producer)
            return await while_connected(request, answer.addTimeout(HOMESERVER_TIMEOUT, self._clock))
        except Exception as error:
            raise _failed(error) from error

    async def _content(self, call: Call, answer: IResponse) -> bytes:
        try:
            return await while_connected(call.request, _collected(answer).addTimeout(HOMESERVER_TIMEOUT, self._clock))
        except Exception as error:
            raise _failed(error) from error

    def _headers(self, request: HttpRequest, content_type: bytes | None = None) -> Headers:
        """What a request says to its last receiver, and what a proxy has to say."""
        received = request.requestHeaders
        dropped = _NOT_FORWARDED.union(
            name.strip().lower() for value in received.getRawHeaders(b"connection") or [] for name in value.split(b",")
        )
        headers = Headers({name: values for name, values in received.getAllRawHeaders() if name.lower() not in dropped})
        host = _host(request).encode("latin-1")
        headers.setRawHeaders(b"Host", [host])
        headers.setRawHeaders(b"X-Forwarded-Host", [host])
        headers.setRawHeaders(b"X-Forwarded-For", [self._clients.address(request).encode("ascii")])
        headers.setRawHeaders(b"X-Forwarded-Proto", [self._clients.scheme(request)])
        if content_type is not None:
            headers.setRawHeaders(b"Content-Type", [content_type])
        return headers


def path(request: HttpRequest) -> bytes:
    """The path of a request in the one spelling that leaves nothing to read into it.  Raises :class:`MatrixError`."""
    segments = []
    for segment in request.prepath:
        try:
            text = segment.decode()
        except UnicodeDecodeError:
            text = ""
        # Dots count behind an encoded slash too: some would decode the path before they resolve them.
        dotted = not {".", ".."}.isdisjoint(_SLASH.split(text))
        if dotted or not text.isprintable() or (not text and segment):
            raise MatrixError(400, "M_INVALID_PARAM", "The path can be read in more than one way")
        segments.append(quote(text, safe=_PLAIN_IN_SEGMENT))
    return ("/" + "/".join(segments)).encode("ascii")


async def while_connected(request: HttpRequest, result: Deferred[T]) -> T:
    """Wait for something that is given up, with ``CancelledError``, when the client goes away."""
    if request.gone:
        result.cancel()
    else:
        request.notifyFinish().addErrback(lambda _: result.cancel())
    return await result


def _collected(answer: IResponse) -> Deferred[bytes]:
    content = bytearray()

    def collect(data: bytes) -> None:
        content.extend(data)
        if len(content) > ANSWER_LIMIT:
            raise ValueError("the answer is too large")

    collected: Deferred[None] = treq.collect(answer, collect)
    return collected.addCallback(lambda _: bytes(content))


def _host(request: HttpRequest) -> str:
    hosts = request.requestHeaders.getRawHeaders(b"host") or []
    if len(hosts) != 1:
        raise MatrixError(400, "M_UNKNOWN", "The request needs one Host header")
    return hosts[0].decode("latin-1")


def _failed(error: Exception) -> MatrixError:
    if isinstance(error, TooLate):
        return MatrixError(504, "M_UNKNOWN", "The homeserver does not answer")
    if not isinstance(error, CancelledError):
        log.warn("the homeserver cannot be reached: {error!r}", error=error)
    return MatrixError(502, "M_UNKNOWN", "The homeserver cannot be reached")


@implementer(IBodyProducer)
class _Content:
    """A body to send, in one piece."""

    def __init__(self, data: bytes) -> None:
        self.length = len(data)
        self._data = data

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._data)
        return succeed(None)

    def stopProducing(self) -> None: ...

    def pauseProducing(self) -> None: ...

    def resumeProducing(self) -> None: ...
