"""What happens on one connection: requests are read and answered, one after the other."""

from __future__ import annotations

import math
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IAddress, IDelayedCall, ISSLTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from .body import IncomingBody, KeptBody
from .parser import HEAD_END, Head, Parser, Refusal
from .request import HttpRequest
from .sending import Sender, sender

if TYPE_CHECKING:
    from .server import HttpServer

# In place of a head that could not be read.
_UNREAD = Head(b"GET", b"/", [], {}, 0, keep_alive=False, http_1_0=False, awaits_continue=False)

# So much is read ahead while a request is answered; to read at all tells when the client goes away.
AHEAD = 16 * 1024
# A client that is refused may be in the middle of sending: so much is read and thrown away, so that it sees the answer.
DISCARDED = 16 * 1024 * 1024
# Seconds in which it has to have seen it, and in which any connection has to close.
CLOSING = 5.0


class Stage(Enum):
    """What is read."""

    HEAD = auto()
    BODY = auto()
    NOTHING = auto()
    """The request is there, and is answered."""
    REST = auto()
    """Whatever comes until the client closes."""


class HttpConnection(Protocol):
    """
    Reads a request, has it answered, and reads the next one when the client has taken the answer.

    Of what a client sends ahead only a little is read, and connections take turns: one after the other has one request
    answered.
    """

    transport: Any
    host: IAddress
    is_secure: bool
    sender: Sender

    def __init__(self, server: HttpServer, peer: IAddress, client: str) -> None:
        """``client`` is whose connections are counted together; empty for one whose are not."""
        self.server = server
        self.peer = peer
        self.client = client
        self._parser = Parser()
        self._stage = Stage.HEAD
        self._deadline = math.inf
        self._unread = b""
        self._begun = True  # whether the time of a head has begun
        self._turn: IDelayedCall | None = None
        self._held = False
        self._rest = DISCARDED
        self._request: HttpRequest | None = None
        self._resource: Any = None
        self._kept = KeptBody(0)

    def connectionMade(self) -> None:
        self.host = self.transport.getHost()
        self.is_secure = ISSLTransport.providedBy(self.transport)
        if hasattr(self.transport, "setTcpNoDelay"):
            self.transport.setTcpNoDelay(True)
        self.sender = sender(self.transport, self.server.clock, self.server.limits.unread_timeout)
        self._expect(self.server.limits.head_timeout)
        self.server.made(self)
        self.server.waits(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stage = Stage.REST
        if self._turn is not None:
            self._turn.cancel()
        self.server.lost(self)
        request, self._request = self._request, None
        if request is not None:
            if request.incoming is not None:
                request.incoming.end(reason)
            request.lost(reason)

    # Time.

    def _expect(self, seconds: float) -> None:
        self._deadline = self.server.now + seconds

    def look_at(self, now: float) -> None:
        """See whether the client has done in time what was expected of it."""
        if self.sender.deadline <= now:
            self.server.reached("unread_timeout")
            self.transport.abortConnection()
        elif self._deadline <= now:
            self._expire()

    def _expire(self) -> None:
        self._deadline = math.inf
        if self._stage is Stage.REST:
            self.transport.abortConnection()
        elif self._stage is Stage.BODY:
            self._refuse(Refusal(408, "The body did not come in time", "body_timeout"))
        elif self._unread:
            self._refuse(Refusal(408, "The request did not come in time", "head_timeout"))
        else:
            self.close()

    # Reading.

    def dataReceived(self, data: bytes) -> None:
        if self._stage is Stage.REST:
            self._rest -= len(data)
            if self._rest < 0:
                self.transport.abortConnection()
            return
        self._unread = self._unread + data if self._unread else data
        if self._stage is Stage.NOTHING or self._turn is not None or self._held:
            if len(self._unread) > AHEAD:
                self.hold()
            return
        self._proceed()

    def hold(self) -> None:
        """Read no more for now."""
        if not self._held:
            self._held = True
            self.transport.pauseProducing()

    def go_on(self) -> None:
        """Read on, when it is our turn."""
        if self._held:
            self._held = False
            self.transport.resumeProducing()
        if self._unread and self._turn is None:
            self._turn = self.server.clock.callLater(0, self._take_turn)

    def _take_turn(self) -> None:
        self._turn = None
        if not self._held and self._stage in (Stage.HEAD, Stage.BODY):
            self._proceed()

    def _proceed(self) -> None:
        try:
            if self._stage is Stage.HEAD and (head := self._take_head()) is not None:
                self._begin(head)
            if self._stage is Stage.BODY:
                self._read_body()
        except Refusal as refusal:
            self._refuse(refusal)

    def _take_head(self) -> Head | None:
        """What is there up to an empty line, or ``None`` while there is none."""
        # RFC 9112, 2.2: an empty line before a request was sent by old clients behind a body.
        self._unread = self._unread.removeprefix(b"\r\n")
        limits = self.server.limits
        end = self._unread.find(HEAD_END, 0, limits.head)
        if end < 0:
            if len(self._unread) > limits.request_line and b"\n" not in self._unread[: limits.request_line]:
                raise Refusal(414, "The path and query are too long", "request_line")
            if len(self._unread) >= limits.head:
                raise Refusal(431, "The header fields are too large", "head")
            if self._unread.count(b"\n") != self._unread.count(b"\r\n"):
                raise Refusal(400, "A line ends without a carriage return")  # to others, the head may end there
            if self._unread and not self._begun:
                self._begun = True
                self._expect(limits.head_timeout)
            return None
        end += len(HEAD_END)
        data, self._unread = self._unread[:end], self._unread[end:]
        self._begun, self._deadline = False, math.inf
        return self._parser.read_head(data, limits)

    def _begin(self, head: Head) -> None:
        request = self._request = HttpRequest(head, self)
        self._resource, room = self.server.find(request)
        if self._parser.complete:
            self._stage = Stage.NOTHING
            self.server.answer(self, request, self._resource)
            return
        self._stage = Stage.BODY
        self._expect(self.server.limits.body_timeout)
        if room is not None:
            self._kept = KeptBody(room, head.length or 0)
        if head.awaits_continue and not self._unread:
            self.sender.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if room is None:
            request.incoming = IncomingBody(head.length, self)
            self.hold()
            self.server.answer(self, request, self._resource)

    def _read_body(self) -> None:
        if self._unread and not self._held:
            content, self._unread = self._parser.read_body(self._unread)
            request = self._request
            if request is None:
                pass  # it was answered without its body
            elif request.incoming is not None:
                request.incoming.receive(content)
            else:
                self._kept.receive(content)
                self.server.keep(self, self._kept.size)
        if self._parser.complete:
            self._have_body()

    def _have_body(self) -> None:
        self._stage, self._deadline = Stage.NOTHING, math.inf
        request = self._request
        if request is None:
            self.sender.when_taken(self._next)
        elif request.incoming is not None:
            request.incoming.end()
        else:
            request.body = self._kept.take()
            self.server.answer(self, request, self._resource)

    # Answering.

    def answered(self, request: HttpRequest) -> None:
        """All of an answer was sent, or lies ready for that."""
        self._request = self._resource = None
        if request.incoming is not None:
            request.incoming.stopProducing()
        self.sender.unregister()
        self.server.ends(self)
        if not request.keep_alive:
            self.sender.when_taken(self.close)
        elif self._stage is Stage.BODY:
            self.go_on()
        else:
            self.sender.when_taken(self._next)

    def _next(self) -> None:
        """Wait for the next request; it may be there already."""
        if self.server.stopping:
            self.close()
            return
        self._stage = Stage.HEAD
        self._expect(self.server.limits.idle_timeout)
        self.server.waits(self)
        self.go_on()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer in place of a resource, and read nothing more."""
        if refusal.limit:
            self.server.reached(refusal.limit)
        if self._request is None and self._stage is Stage.BODY:
            # It was answered before its body had come.  To a proxy, a second answer could be that of somebody else.
            self.close()
            return
        request = self._request = self._request or HttpRequest(_UNREAD, self)
        if request.startedWriting:
            self.transport.abortConnection()
            return
        self._stage, self._deadline = Stage.REST, math.inf
        if request.incoming is not None:
            request.incoming.end(Failure(refusal))
        request.keep_alive = False
        self.server.refuse(request, refusal)

    # The end.

    def stop(self) -> None:
        """Close, now or with the answer that is under way."""
        if self._request is None and self._stage is not Stage.REST:
            self.close()
        elif self._request is not None:
            self._request.keep_alive = False

    def give_up(self) -> None:
        """Wait no longer for an answer."""
        if self._request is None:
            self.transport.abortConnection()
        else:
            self._refuse(Refusal(503, "The server is being stopped"))

    def close(self) -> None:
        """Close when all is sent; to a client that may be sending something, only the way to it at first."""
        may_send = self._stage in (Stage.REST, Stage.BODY) or bool(self._unread)
        self.server.begins(self)
        self._stage, self._unread = Stage.REST, b""
        self._expect(CLOSING)
        if not may_send:
            self.sender.close()
            return
        # Else the system would tell that nobody reads what comes, and the client might not see the answer for that.
        if not self.is_secure and hasattr(self.transport, "loseWriteConnection"):
            self.transport.loseWriteConnection()
        self.go_on()
