"""
The way from mxisd to the homeserver: forwards requests, and asks whose they are.

What is forwarded is built from what was read here, never copied: the path from its decoded segments, a body that was
judged from the values found in it.  Twisted's ``Agent`` is used bare, since treq would unpack answers, follow redirects
and keep cookies.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from ipaddress import ip_address
from urllib.parse import quote

import msgspec
import treq
from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IBodyProducer, IResponse
from twisted.web.server import Request
from zope.interface import implementer

from ..matrix.error import MatrixError
from ..matrix.networks import Network
from .endpoint import SENT, Call

log = Logger()

WHOAMI = b"/_matrix/client/v3/account/whoami"
# Joining a large room over federation, the longest that a forwarded request can take, is given up by Synapse before.
PATIENCE = 180.0

_HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-authorization", b"proxy-connection", b"te", b"trailer"} | {
    b"transfer-encoding",
    b"upgrade",
}
# Told anew about what is sent; or, as with methods in headers, never told, since not everybody listens to them.
_REPLACED = {b"host", b"content-length", b"content-encoding", b"expect"} | {
    b"x-http-method",
    b"x-http-method-override",
    b"x-method-override",
}
_FROM_PROXY = {b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto"} | {
    b"x-real-ip"
}
_ABOUT_BODY = (b"content-type", b"accept-encoding")

_QUERY = re.compile(rb"[\x21\x22\x24-\x7e]*")  # visible, but for #
_UNSAFE = re.compile(rb"[\x00-\x1f\x7f]")
_PLAIN_IN_SEGMENT = "!$&'()*+,:=@~"


class Homeservers:
    """Which homeserver stands behind which ``Host``: those of the configuration, and no others."""

    def __init__(self, by_name: Mapping[str, str], otherwise: str | None) -> None:
        """Base URLs by name; ``otherwise`` is for all other names."""
        self._by_name = {name.lower(): url.encode("ascii") for name, url in by_name.items()}
        self._otherwise = otherwise.encode("ascii") if otherwise is not None else None

    def behind(self, request: Request) -> bytes:
        """The base URL for a request.  Raises :class:`MatrixError`."""
        hosts = request.requestHeaders.getRawHeaders(b"host") or [b""]
        if len(hosts) > 1:
            raise MatrixError(400, "M_UNKNOWN", "The request has more than one Host header")
        host = hosts[0].decode("latin-1").lower()
        name, colon, port = host.rpartition(":")
        without_port = name if colon and port.isdigit() else host
        url = self._by_name.get(host) or self._by_name.get(without_port) or self._otherwise
        if url is None:
            raise MatrixError(404, "M_NOT_FOUND", "There is no homeserver of this name here")
        return url


class Identity(Struct):
    user_id: str


class NotAccepted(Exception):
    """The homeserver does not say whose a request is; what it says instead is for the client."""

    def __init__(self, answer: IResponse) -> None:
        super().__init__(answer.code)
        self.answer = answer


class Proxy:
    """Speaks to the homeserver in the name of a client."""

    def __init__(
        self, agent: IAgent, homeservers: Homeservers, trusted_proxies: Collection[Network], clock: IReactorTime
    ) -> None:
        self._agent = agent
        self._homeservers = homeservers
        self._trusted_proxies = trusted_proxies
        self._clock = clock

    async def sender(self, call: Call) -> str:
        """
        Whose a request is: the homeserver sees the same credentials, wherever in it they are, as with the request.

        Raises :class:`NotAccepted`, and :class:`MatrixError` when the homeserver cannot be asked.
        """
        headers = self._headers(call.request)
        for name in _ABOUT_BODY:
            headers.removeHeader(name)
        answer = await self._ask(call, b"GET", WHOAMI, headers, None)
        if answer.code != 200:
            raise NotAccepted(answer)
        try:
            return msgspec.json.decode(await _cancelled_with(call, treq.content(answer)), type=Identity).user_id
        except Exception as error:
            raise _unreachable(error) from error

    async def forward(self, call: Call, body: bytes) -> object:
        """
        Send a request on with this body, and answer it as the homeserver does.

        Raises :class:`MatrixError` when the homeserver cannot be reached.
        """
        request = call.request
        headers = self._headers(request)
        answer = await self._ask(call, request.method, path(request), headers, body)
        return await self.relay(call, answer)

    async def relay(self, call: Call, answer: IResponse) -> object:
        """Answer a request as the homeserver does: status, headers and body are its own."""
        if call.request.channel is not None:
            await _Relay(call.request, answer).done
        return SENT

    async def _ask(self, call: Call, method: bytes, path: bytes, headers: Headers, body: bytes | None) -> IResponse:
        url = self._homeservers.behind(call.request) + path + _query(call.request)
        content = _Content(body) if body else None
        try:
            answer = self._agent.request(method, url, headers, content).addTimeout(PATIENCE, self._clock)
            return await _cancelled_with(call, answer)
        except Exception as error:
            raise _unreachable(error) from error

    def _headers(self, request: Request) -> Headers:
        """The headers of a request as far as they are meant for its last receiver, and those that a proxy adds."""
        received = request.requestHeaders
        dropped = _HOP_BY_HOP | _REPLACED
        for value in received.getRawHeaders(b"connection", ()):
            dropped |= {name.strip().lower() for name in value.split(b",")}
        trusted, peer = self._peer(request)
        if not trusted:
            dropped |= _FROM_PROXY
        headers = Headers({name: values for name, values in received.getAllRawHeaders() if name.lower() not in dropped})
        host = request.getHeader(b"host") or b""
        headers.setRawHeaders(b"Host", [host])
        headers.setRawHeaders(b"X-Forwarded-For", [b", ".join([*headers.getRawHeaders(b"x-forwarded-for", ()), peer])])
        for name, value in ((b"X-Forwarded-Host", host), (b"X-Forwarded-Proto", _scheme(request))):
            if not headers.hasHeader(name):
                headers.setRawHeaders(name, [value])
        return headers
