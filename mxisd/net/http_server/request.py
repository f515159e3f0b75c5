"""What resources see of a request, and how they answer it."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.http import CACHED, NOT_MODIFIED, RESPONSES, datetimeToString, parse_qs, stringToDatetime
from twisted.web.http_headers import Headers

from .body import IncomingBody
from .parser import Head

if TYPE_CHECKING:
    from .connection import HttpConnection

_NO_CONTENT = frozenset({204, 304})


class HttpRequest:
    """
    A request, and its answer: the part of ``twisted.web.iweb.IRequest`` that resources of ours, those of
    ``twisted.web.static`` and proxies use.  What has the name of Twisted's is used like Twisted's.
    """

    defaultContentType: bytes | None = b"text/html"
    startedWriting = False
    finished = False
    code = 200
    body = b""
    """All of the body; empty where it is taken as :attr:`incoming`."""
    incoming: IncomingBody | None = None
    """The body of a request that is taken while it comes."""

    def __init__(self, head: Head, line: HttpConnection) -> None:
        self._line: HttpConnection | None = line
        self._head = head
        self.method = head.method
        self.uri = head.target
        self.path, _, self._query = head.target.partition(b"?")
        segments = self.path[1:].split(b"/")
        self.prepath: list[bytes] = []
        self.postpath = [unquote_to_bytes(segment) for segment in segments] if b"%" in self.path else segments
        self._phrase: bytes | None = None
        self._headers: Headers | None = None
        self._received: Headers | None = None
        self._args: dict[bytes, list[bytes]] | None = None
        self._waiting: list[Deferred[None]] = []
        self._chunked = False
        self.keep_alive = head.keep_alive and not line.server.stopping
        """Whether the connection is for further requests."""

    # What the client says.

    @property
    def args(self) -> dict[bytes, list[bytes]]:
        """The parameters of the query."""
        if self._args is None:
            self._args = parse_qs(self._query, keep_blank_values=True) if self._query else {}
        return self._args

    @property
    def content(self) -> BytesIO:
        """The body as a file."""
        return BytesIO(self.body)

    @property
    def requestHeaders(self) -> Headers:
        if self._received is None:
            self._received = Headers()
            for name, value in self._head.fields:
                self._received.addRawHeader(name, value)
        return self._received

    def getHeader(self, name: bytes) -> bytes | None:
        """A header field by its name in lower case; of one that came several times, the last."""
        return self._head.values.get(name)

    def getClientAddress(self) -> Any:
        """The other end of the connection, which may be a proxy's; ``None`` when the client has gone."""
        return self._line.peer if self._line is not None else None

    def getHost(self) -> Any:
        """Our end of the connection; ``None`` when the client has gone."""
        return self._line.host if self._line is not None else None

    def isSecure(self) -> bool:
        """Whether the connection is encrypted."""
        return self._line is not None and self._line.is_secure

    @property
    def gone(self) -> bool:
        """Whether the client has closed the connection."""
        return self._line is None

    def notifyFinish(self) -> Deferred[None]:
        """Fires when the answer is complete, or fails when the client goes away before."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    # The answer, at once.

    def answer(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> None:
        """Send a whole answer.  What was said of its headers in other ways does not count."""
        lines = [b"%b: %b\r\n" % field for field in headers.items()]
        if status not in _NO_CONTENT:
            lines.append(b"Content-Length: %d\r\n" % len(body))
        self._send_head(status, None, lines, None if self.method == b"HEAD" or status in _NO_CONTENT else body)
        self.finish()

    # The answer, step by step.

    @property
    def responseHeaders(self) -> Headers:
        if self._headers is None:
            self._headers = Headers()
        return self._headers

    @responseHeaders.setter
    def responseHeaders(self, headers: Headers) -> None:
        self._headers = headers

    def setResponseCode(self, code: int, message: bytes | None = None) -> None:
        self.code = code
        self._phrase = message

    def setHeader(self, name: bytes, value: bytes) -> None:
        self.responseHeaders.setRawHeaders(name, [value])

    def redirect(self, url: bytes) -> None:
        self.setResponseCode(302)
        self.setHeader(b"location", url)

    def setLastModified(self, when: float) -> object | None:
        """Note the time of the last change; ``CACHED`` is for a client that has it since, which needs no body."""
        changed = int(when)
        self.setHeader(b"last-modified", datetimeToString(changed))
        since = self.getHeader(b"if-modified-since")
        try:
            if since is not None and stringToDatetime(since.partition(b";")[0]) >= changed:
                self.setResponseCode(NOT_MODIFIED)
                return CACHED
        except ValueError:
            pass
        return None

    def write(self, data: bytes) -> None:
        """Send a part of the body."""
        if self._line is None or self.finished:
            return
        if not self.startedWriting:
            self._begin(data)
        elif self._has_body and data:
            self._line.sender.send(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def finish(self) -> None:
        """End the answer."""
        if self._line is None or self.finished:
            return
        if not self.startedWriting:
            self.responseHeaders.setRawHeaders(b"content-length", [b"0"])
            self._begin(b"")
        line, self._line, self.finished = self._line, None, True
        if self._chunked:
            line.sender.send(b"0\r\n\r\n")
        line.answered(self)
        self._tell(None)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        if self._line is None:
            producer.stopProducing()
        else:
            self._line.sender.register(producer, streaming=streaming)

    def unregisterProducer(self) -> None:
        if self._line is not None:
            self._line.sender.unregister()

    def abort(self) -> None:
        """Cut the connection, so that what was sent of an answer is not taken for all of it."""
        if self._line is not None:
            self._line.transport.abortConnection()

    # For the connection.

    def lost(self, reason: Failure) -> None:
        """The client has gone."""
        self._line = None
        self._tell(reason)

    # The head of an answer.

    @property
    def _has_body(self) -> bool:
        return self.method != b"HEAD" and self.code not in _NO_CONTENT

    def _begin(self, data: bytes) -> None:
        headers = self.responseHeaders
        typed = headers.hasHeader(b"content-type") or self.code in _NO_CONTENT
        if self.defaultContentType is not None and not typed:
            headers.setRawHeaders(b"content-type", [self.defaultContentType])
        lines = [b"%b: %b\r\n" % (name, value) for name, values in headers.getAllRawHeaders() for value in values]
        if self._has_body and not headers.hasHeader(b"content-length"):
            if self._head.http_1_0:
                self.keep_alive = False
            else:
                self._chunked = True
                lines.append(b"Transfer-Encoding: chunked\r\n")
                data = b"%x\r\n%b\r\n" % (len(data), data) if data else data
        self._send_head(
            self.code, self._phrase, lines, data if self._has_body else None, dated=headers.hasHeader(b"date")
        )

    def _send_head(
        self, status: int, phrase: bytes | None, lines: list[bytes], body: bytes | None, *, dated: bool = False
    ) -> None:
        line = self._line
        if line is None:
            return
        self.startedWriting, self.code = True, status
        if phrase is None:
            phrase = RESPONSES.get(status, b"")
        if not dated:
            lines.append(line.server.date)
        if not self.keep_alive:
            lines.append(b"Connection: close\r\n")
        head = b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, phrase, b"".join(lines))
        if head.count(b"\n") != len(lines) + 2 or head.count(b"\r") != len(lines) + 2:
            raise ValueError("a header field of an answer has an end of line within it")
        line.sender.send(head + body if body else head)

    def _tell(self, reason: Failure | None) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None) if reason is None else each.errback(reason)
