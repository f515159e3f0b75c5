"""The tree of paths, and the HTTP server above it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from twisted.web import server
from twisted.web.http import HTTPChannel
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource, Resource

from ..matrix.error import MatrixError
from .endpoint import CORS, JSON, Endpoint, NotFound

# Enough for any single request; lookups of many addresses, and others that say so, may have more.
BODY_LIMIT = 64 * 1024
# A client that is refused may be in the middle of sending: so much is read and thrown away, so that it sees the answer.
DISCARDED = 16 * 1024 * 1024


class _Branch(NotFound):
    """A segment of a path, with an endpoint of its own or only with what is below."""

    def __init__(self) -> None:
        super().__init__()
        self.endpoint: Endpoint | None = None
        self.any: _Branch | None = None

    def getChildWithDefault(self, path: bytes, request: server.Request) -> Resource:
        child = self.children.get(path)
        if child is None:
            return self.getChild(path, request)
        # A word of the API has one spelling.  With percent signs in it, proxies and patterns that look at the path as
        # it was sent would take it for something else than what it leads to.
        return child if _as_sent(request) == path else NotFound()

    def getChild(self, path: bytes, request: server.Request) -> Resource:
        # An empty segment is a doubled or a trailing slash, not a value.
        return self.any if self.any is not None and path else NotFound()

    def render(self, request: server.Request) -> int:
        return super().render(request) if self.endpoint is None else self.endpoint.render(request)


def _as_sent(request: server.Request) -> bytes:
    """The segment of the path that was decoded last, before that."""
    return request.path.split(b"/")[len(request.prepath or [])]


def tree(endpoints: Mapping[str, Endpoint]) -> Resource:
    """
    Make the resource tree for absolute paths.

    ``{name}`` stands for any one segment that no other path names.  Only such a segment may be percent-encoded.
    """
    root = _Branch()
    for path, endpoint in endpoints.items():
        branch = root
        for segment in path.removeprefix("/").split("/"):
            branch = _below(branch, segment)
        branch.endpoint = endpoint
    return root


def _below(branch: _Branch, segment: str) -> _Branch:
    if segment.startswith("{"):
        branch.any = branch.any or _Branch()
        return branch.any
    child = branch.children.get(segment.encode())
    if child is None:
        child = _Branch()
        branch.putChild(segment.encode(), child)
    return child


class LimitedRequest(server.Request):
    """A request that is refused as soon as its body is, or is announced to be, larger than its path allows."""

    # Twisted declares less than there is.
    channel: Any
    _room = BODY_LIMIT
    _refused = False

    def gotLength(self, length: int | None) -> None:
        super().gotLength(length)  # type: ignore[no-untyped-call]
        # Twisted hands the path over only with the whole body; the channel has it already.
        path = self.channel._path.partition(b"?")[0]
        limits = self.channel.site.body_limits
        self._room = limits.get(path) or limits.get(path.rpartition(b"/")[0] + b"/", BODY_LIMIT)
        if length is not None and length > self._room:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        self._room -= len(data)
        if self._refused:
            if self._room < -DISCARDED:
                self.channel.transport.abortConnection()
        elif self._room < 0:
            self._refuse()
        else:
            super().handleContentChunk(data)  # type: ignore[no-untyped-call]

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        if self._refused:
            self.channel.loseConnection()
        else:
            super().requestReceived(command, path, version)  # type: ignore[no-untyped-call]

    def _refuse(self) -> None:
        self._refused = True
        error = MatrixError(413, "M_TOO_LARGE", "The body is larger than this endpoint takes")
        body = msgspec.json.encode(error.body())
        headers = Headers()
        for name, value in (CORS | JSON | {b"Content-Length": b"%d" % len(body), b"Connection": b"close"}).items():
            headers.setRawHeaders(name, [value])
        self.channel.writeHeaders(b"HTTP/1.1", b"413", b"Request Entity Too Large", headers)
        self.channel.write(body)


class HttpChannel(HTTPChannel):
    """Writes the head of an answer in one piece: piece by piece it costs as much as the rest of a small answer."""

    transport: Any

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        lines = [b"%s %s %s" % (version, code, reason)]
        lines += [b"%s: %s" % (name, value) for name, values in headers.getAllRawHeaders() for value in values]
        self.transport.write(b"\r\n".join([*lines, b"", b""]))


class Site(server.Site):
    """An HTTP server that limits bodies, shows no tracebacks and writes no access log: the proxy in front has one."""

    protocol = HttpChannel  # type: ignore[assignment]  # without the choice of HTTP/2, which only TLS makes
    requestFactory = LimitedRequest
    displayTracebacks = False

    def __init__(self, resource: IResource, body_limits: Mapping[bytes, int], **arguments: Any) -> None:
        super().__init__(resource, parsePOSTFormSubmission=False, **arguments)  # type: ignore[no-untyped-call]
        self.body_limits = body_limits
        """By path; one that ends with a slash is for all paths with one segment more."""

    def log(self, request: object) -> None:
        """Paths and queries have addresses and tokens in them."""
