"""The body of a request: kept until all of it is there, or for a resource that takes it while it comes."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from twisted.python.failure import Failure
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from zope.interface import implementer

from .parser import Refusal


class KeptBody:
    """A body that is read before the resource is asked.  Raises :class:`Refusal` when it turns out to be too large."""

    def __init__(self, room: int, announced: int = 0) -> None:
        self.size = 0
        self._room = room
        self._pieces: list[bytes] = []
        self._check(announced)

    def receive(self, content: bytes) -> None:
        """More of it has come."""
        self.size += len(content)
        self._check(self.size)
        self._pieces.append(content)

    def take(self) -> bytes:
        """All of it, which is not kept any longer."""
        body = b"".join(self._pieces)
        self._pieces.clear()
        return body

    def _check(self, size: int) -> None:
        if size > self._room:
            raise Refusal(413, "The body is larger than this endpoint takes", "body")


class BodySource(Protocol):
    """Where a body comes from."""

    def hold(self) -> None:
        """Read no more for now."""
        ...

    def go_on(self) -> None:
        """Read on."""
        ...


@implementer(IBodyProducer)
class IncomingBody:
    """
    A body that is passed on while it comes, for instance to ``IAgent.request``.

    Nothing is read of it before it is asked for.  Who asks no more, or never, has the rest thrown away.
    """

    def __init__(self, length: int | None, source: BodySource) -> None:
        self.length: object = UNKNOWN_LENGTH if length is None else length
        self._source = source
        self._consumer: IConsumer | None = None
        self._sent: Deferred[None] | None = None
        self._ended = False

    # For the one who takes it.

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """The Deferred fires when all has been written to the consumer, or fails when the client has gone before."""
        self._consumer, self._sent = consumer, Deferred(lambda _: self.stopProducing())
        sent = self._sent
        self._source.go_on()
        return sent

    def pauseProducing(self) -> None:
        if not self._ended:
            self._source.hold()

    def resumeProducing(self) -> None:
        if not self._ended:
            self._source.go_on()

    def stopProducing(self) -> None:
        self._consumer = self._sent = None
        self.resumeProducing()

    # For the connection.

    def receive(self, content: bytes) -> None:
        """More of it has come."""
        if self._consumer is not None and content:
            self._consumer.write(content)

    def end(self, failure: Failure | None = None) -> None:
        """All of it has come, or no more will."""
        self._ended = True
        sent, self._consumer, self._sent = self._sent, None, None
        if sent is not None:
            sent.callback(None) if failure is None else sent.errback(failure)
