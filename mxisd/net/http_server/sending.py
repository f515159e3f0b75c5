"""What is sent on a connection: no faster than the client takes it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import IPullProducer, IPushProducer, IReactorTime
from zope.interface import implementer

# What is handed over to the transport at a time.
PORTION = 64 * 1024


def sender(transport: Any, clock: IReactorTime, patience: float) -> Sender:
    """
    What sends on a connection.

    ``patience`` is in how many seconds a client has to take :data:`PORTION`.
    """
    # Under TLS, the transport is a protocol.
    kind = DirectSender if isinstance(transport, FileDescriptor) else BufferingSender
    return kind(transport, clock, patience)


class Sender(ABC):
    """Sends answers, and lets producers of them write while the client reads."""

    def __init__(self, transport: Any, clock: IReactorTime, patience: float) -> None:
        self._transport = transport
        self._clock = clock
        self._patience = patience
        self._backlog = bytearray()
        self._producer: Any = None
        self._streaming = False
        self._then: Callable[[], None] | None = None
        self.blocked = False
        """Whether the client has not taken yet what is there for it."""
        self.deadline = math.inf
        """When it has to have taken some of that."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Send something, at once or when the client has taken what is before it."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection when all has been sent."""

    def when_taken(self, then: Callable[[], None]) -> None:
        """Call a function when all is on its way to the client."""
        if self.blocked:
            self._then = then
        else:
            then()

    def register(self, producer: Any, *, streaming: bool) -> None:
        """Have a producer write; one that is not streaming is asked each time."""
        self._producer, self._streaming = producer, streaming
        if not streaming:
            self._pull()
        elif self.blocked:
            producer.pauseProducing()

    def unregister(self) -> None:
        """There is no producer any more."""
        self._producer = None

    def _pull(self) -> None:
        while not self.blocked and self._producer is not None and not self._streaming:
            self._producer.resumeProducing()

    def _portion(self) -> bytes:
        """The next part of what is there, for which the client has its time."""
        self.deadline = self._clock.seconds() + self._patience
        portion = bytes(self._backlog[:PORTION])
        del self._backlog[:PORTION]
        return portion

    def _block(self) -> None:
        self.blocked = True
        if self._producer is not None and self._streaming:
            self._producer.pauseProducing()

    def _unblock(self) -> None:
        self.blocked, self.deadline = False, math.inf
        if self._producer is not None and self._streaming:
            self._producer.resumeProducing()
        self._pull()
        then, self._then = self._then, None
        if then is not None:
            then()

    def stopProducing(self) -> None:
        """The connection is gone, which the protocol is told by itself."""
        self._then = self._producer = None


@implementer(IPullProducer)
class DirectSender(Sender):
    """
    Hands what it sends to the system at once.

    Twisted's transports wait for the next turn of the reactor, which costs as much as the rest of a small answer.
    """

    def send(self, data: bytes) -> None:
        if self.blocked:
            self._backlog += data
            return
        sent = self._transport.writeSomeData(data)
        if sent == len(data):
            return
        # An error, which is not a number, will be met again by the transport, and ends the connection there.
        self._backlog += data[sent:] if isinstance(sent, int) else data
        self._block()
        self._transport.registerProducer(self, False)

    def close(self) -> None:
        self._transport.loseConnection()

    def resumeProducing(self) -> None:
        """The transport has sent all that it had."""
        if self._backlog:
            self._transport.write(self._portion())
        else:
            self._transport.unregisterProducer()
            self._unblock()


@implementer(IPushProducer)
class BufferingSender(Sender):
    """Has the transport keep some of what is to be sent: for TLS, and whatever else there is below a connection."""

    def __init__(self, transport: Any, clock: IReactorTime, patience: float) -> None:
        super().__init__(transport, clock, patience)
        self._paused = False
        transport.registerProducer(self, True)

    def send(self, data: bytes) -> None:
        if not self.blocked and len(data) <= PORTION:
            self._transport.write(data)
            return
        self._backlog += data
        self._hand_over()
        if not self.blocked:
            self.deadline = math.inf

    def close(self) -> None:
        self._transport.unregisterProducer()
        self._transport.loseConnection()

    def pauseProducing(self) -> None:
        """The transport has enough to send."""
        self._paused = True
        self.deadline = self._clock.seconds() + self._patience
        if not self.blocked:
            self._block()

    def resumeProducing(self) -> None:
        """The transport has sent all that it had."""
        self._paused = False
        self._hand_over()
        if self.blocked and not self._paused:
            self._unblock()

    def _hand_over(self) -> None:
        while self._backlog and not self._paused:
            self._transport.write(self._portion())
