"""The answer of a homeserver, on its way to the client."""

from __future__ import annotations

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from ..net.http_server import HttpRequest
from .endpoint import Streamed

# Headers of one connection, and not of what goes through it.
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authorization proxy-connection te trailer transfer-encoding upgrade".split()
)


class Relay(Streamed):
    """The answer of the homeserver: status, headers and body are its own."""

    def __init__(self, answer: IResponse) -> None:
        self._answer = answer

    @property
    def is_success(self) -> bool:
        return 200 <= int(self._answer.code) < 300

    def send(self, request: HttpRequest) -> None:
        """Pass the answer on while it comes."""
        if not request.gone:
            length = self._answer.length
            _begin(request, self._answer, length if isinstance(length, int) and request.method != b"HEAD" else None)
        self._answer.deliverBody(_Pipe(request))


class Whole(Streamed):
    """An answer of the homeserver that was read; with another ``body``, all else of it stays."""

    def __init__(self, answer: IResponse, body: bytes) -> None:
        self._answer = answer
        self.body = body

    @property
    def status(self) -> int:
        return int(self._answer.code)

    def send(self, request: HttpRequest) -> None:
        """Pass the answer on."""
        if not request.gone:
            _begin(request, self._answer, len(self.body))
            request.write(self.body)
            request.finish()


def _begin(request: HttpRequest, answer: IResponse, length: int | None) -> None:
    request.setResponseCode(answer.code, answer.phrase)
    request.responseHeaders = Headers(
        {name: values for name, values in answer.headers.getAllRawHeaders() if name.lower() not in HOP_BY_HOP}
    )
    request.defaultContentType = None
    if length is not None:
        request.responseHeaders.setRawHeaders(b"Content-Length", [b"%d" % length])


class _Pipe(Protocol):
    """Writes a body to a client, no faster than it is taken."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    def connectionMade(self) -> None:
        if self._request.gone:
            self._client_gone()
        else:
            self._request.notifyFinish().addErrback(self._client_gone)
            self._request.registerProducer(self.transport, streaming=True)

    def dataReceived(self, data: bytes) -> None:
        self._request.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._request.gone:
            return
        self._request.unregisterProducer()
        if reason.check(ResponseDone, PotentialDataLoss):
            self._request.finish()
        else:
            # What was sent is not all: the client shall not take it for that.
            self._request.abort()

    def _client_gone(self, _: object = None) -> None:
        if self.transport is not None:
            self.transport.loseConnection()
