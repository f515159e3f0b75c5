"""So many connections to a server, each made again whenever it is lost: for the engines that are servers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ..log import Logger
from ..services import Service
from ..waiting import Work, background, within
from .contract import StorageUnavailable

log = Logger()

# Backoff: seconds before a connection is made again, after it was lost and while attempts fail.
FIRST_BACKOFF = 0.1
MAX_BACKOFF = 2.0


class ServerConnection(Protocol):
    def abort(self) -> None:
        """Close it at once."""
        ...

    def whenDisconnected(self) -> Deferred[Any]:
        """Fires when it is of no more use."""
        ...


C = TypeVar("C", bound=ServerConnection)


class Connections(Service, Generic[C]):
    """
    Keeps ``size`` connections to what ``server`` calls by name; attempts go on until the service is stopped.

    ``connect`` makes one, for which it has ``timeout``; ``settle`` makes it ready for use, which may take longer, and
    ``offer`` is told of each that is.
    """

    def __init__(
        self,
        server: str,
        connect: Callable[[], Work[C]],
        clock: IReactorTime,
        size: int,
        timeout: timedelta,
        settle: Callable[[C], Work[None]] | None = None,
        offer: Callable[[C], None] = lambda _: None,
    ) -> None:
        self.name = server
        self.ready: list[C] = []
        self._connect = connect
        self._settle = settle
        self._offer = offer
        self._clock = clock
        self._size = size
        self._timeout = timeout.total_seconds()
        self._waiting: list[Deferred[None]] = []
        self._slots: list[Deferred[None]] = []
        self._away: str | None = None
        """Why there is no connection; ``None`` while there is one, or the first attempt is under way."""

    def startService(self) -> None:
        super().startService()
        self._away = None
        self._slots = [background(f"a connection to {self.name}", self._maintain()) for _ in range(self._size)]

    def stopService(self) -> Deferred[Any]:
        super().stopService()
        closed = DeferredList([connection.whenDisconnected() for connection in self.ready])
        self._away = "mxisd is stopping"
        for slot in self._slots:
            slot.cancel()
        self._wake()
        return closed

    async def until_there(self) -> None:
        """Wait until the server can be reached, or the service is stopped; failed attempts are logged."""
        while self.running and not self.ready:
            try:
                await self.one()
            except StorageUnavailable:
                await deferLater(self._clock, FIRST_BACKOFF)

    async def one(self) -> None:
        """
        Return at once if there is a connection, and raise :class:`StorageUnavailable` at once while there is none.

        Just after the last one was lost, wait for the first attempt to make another.
        """
        while not self.ready:
            if self._away is not None:
                raise StorageUnavailable(f"{self.name} is away: {self._away}")
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            try:
                await waiting.addTimeout(self._timeout, self._clock)
            except DeferredTimeout:
                raise StorageUnavailable(f"{self.name} is not ready yet") from None

    def drop(self, reason: str) -> None:
        """Close all connections: they lead to the same server."""
        dropped, self.ready = self.ready, []
        if dropped:
            log.warn("all connections to {server} are closed and made again: {reason}", server=self.name, reason=reason)
        for connection in dropped:
            connection.abort()

    async def _maintain(self) -> None:
        """Make one connection, and make it again whenever it is lost.  Cancelled when the service stops."""
        failures = 0
        while self.running:
            try:
                late = DeferredTimeout(f"no answer within {self._timeout:g} s")
                connection = await within(self._timeout, self._clock, self._connect(), late)
                await self._make_ready(connection)
            except Exception as error:
                failures += 1
                self._connect_failed(str(error) or repr(error))
            else:
                failures = 0
                await self._use(connection)
            if self.running:
                await deferLater(self._clock, min(FIRST_BACKOFF * 1.5 ** min(failures, 32), MAX_BACKOFF))

    async def _make_ready(self, connection: C) -> None:
        if self._settle is not None:
            try:
                await self._settle(connection)
            except BaseException:
                connection.abort()
                raise

    async def _use(self, connection: C) -> None:
        """Offer a connection to all callers, until it is lost."""
        if self._away is not None:
            log.info("connected to {server} again", server=self.name)
        self._away = None
        self.ready.append(connection)
        # Not at once: a waiting caller may stop the service, and so cancel this coroutine while it does not await.
        self._clock.callLater(0, self._wake)
        self._clock.callLater(0, self._offer, connection)
        try:
            await connection.whenDisconnected()
        finally:
            connection.abort()
            if connection in self.ready:
                self.ready.remove(connection)

    def _connect_failed(self, reason: str) -> None:
        """Log it, and let waiting callers fail if there is no other connection."""
        if not self.running:
            return
        if self.ready:
            log.debug("no further connection to {server}: {reason}", server=self.name, reason=reason)
            return
        if reason != self._away:
            log.error("waiting for {server}: {reason}", server=self.name, reason=reason)
        self._away = reason
        self._clock.callLater(0, self._wake)

    def _wake(self) -> None:
        """Let all callers that wait for a connection look again."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.called:
                each.callback(None)
