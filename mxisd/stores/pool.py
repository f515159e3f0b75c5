"""
Threads for clients that block, each with a connection of its own.

SQL and LDAP share this.  ``adbapi`` is made for the one only; it sends a COMMIT after a query that has but read, and
fails once a thread after a restart of the server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from threading import Thread, local
from typing import Any, Generic, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as TimedOut
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from ..log import Logger
from ..reactor import IReactor
from ..services import Service

log = Logger()

C = TypeVar("C")
T = TypeVar("T")

# Enough to keep a server on the network busy; more would mostly wait for Python's lock.
SIZE = 4
# Seconds that a stop waits for what is under way.
STOP_TIMEOUT = 5.0


class _Daemon(Thread):
    """One that hangs in a library must not keep the process from ending."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more, daemon=True)


class ThreadConnector(Protocol[C]):
    """Knows how to talk to a server.  Its methods are called in threads."""

    def connect(self) -> C:
        """A new connection; it may be used in another thread than this one, by one at a time."""
        ...

    def is_lost(self, connection: C, error: Exception) -> bool:
        """Whether an error means that the connection is of no more use."""
        ...

    def close(self, connection: C) -> None: ...


class ThreadedPool(Service, Generic[C]):
    """Calls functions on connections, from its start to its stop; what is asked for before waits for the start."""

    def __init__(self, name: str, connector: ThreadConnector[C], reactor: IReactor, size: int = SIZE) -> None:
        self.name = name
        self.size = size
        self._connector = connector
        self._reactor = reactor
        self._threads = ThreadPool(0, size, name)
        self._threads.threadFactory = _Daemon
        self._mine = local()
        self._open: set[Any] = set()
        self._stopping = False

    def startService(self) -> None:
        super().startService()
        self._stopping = False
        self._threads.start()

    def stopService(self) -> Deferred[None]:
        """
        Fires when what is under way has ended and the connections are closed, or after some seconds.

        What has not begun is not begun any more.
        """
        super().stopService()
        self._stopping = True
        stopped: Deferred[None] = Deferred()
        # Stopping waits for the threads, which is not for the reactor's own to do: it waits for those too.
        Thread(target=self._stop, args=[stopped], daemon=True).start()
        return stopped.addTimeout(STOP_TIMEOUT, self._reactor).addErrback(self._hangs)

    async def run(self, job: Callable[[C], T]) -> T:
        """
        What a function returns that takes a connection and only reads.

        It is called once more, on a new connection, if one that was kept turns out to be lost.
        """
        return await self._in_thread(self._call, job)

    async def stream(self, batches: Callable[[C], Iterator[T]]) -> AsyncIterator[T]:
        """What a generator function yields that takes a connection: each step in a thread, on one new connection."""
        connection = await self._in_thread(self._connector.connect)
        try:
            iterator = batches(connection)
            # An own mark for the end, since StopIteration does not pass through a coroutine.
            while (batch := await self._in_thread(next, iterator, None)) is not None:
                yield batch
        finally:
            self._threads.callInThread(self._connector.close, connection)

    def _in_thread(self, function: Callable[..., T], *args: object) -> Deferred[T]:
        """What nobody waits for any more when its turn comes is not done."""
        wanted = True

        def abandon(_: Deferred[T]) -> None:
            nonlocal wanted
            wanted = False

        def call() -> T:
            if not wanted or self._stopping:
                raise CancelledError
            return function(*args)

        def deliver(outcome: T | Failure) -> None:
            if wanted:
                result.callback(outcome)

        result: Deferred[T] = Deferred(abandon)
        deferToThreadPool(self._reactor, self._threads, call).addBoth(deliver)
        return result

    def _call(self, job: Callable[[C], T]) -> T:
        kept: C | None = getattr(self._mine, "connection", None)
        if kept is not None:
            try:
                return job(kept)
            except Exception as error:
                if not self._connector.is_lost(kept, error):
                    raise
                self._drop(kept)
        connection = self._connector.connect()
        self._mine.connection = connection
        self._open.add(connection)
        try:
            return job(connection)
        except Exception as error:
            if self._connector.is_lost(connection, error):
                self._drop(connection)
            raise

    def _drop(self, connection: C) -> None:
        self._mine.connection = None
        self._open.discard(connection)
        self._connector.close(connection)

    def _stop(self, stopped: Deferred[None]) -> None:
        self._threads.stop()
        while self._open:
            self._connector.close(self._open.pop())
        self._reactor.callFromThread(stopped.callback, None)

    def _hangs(self, failure: Failure) -> None:
        failure.trap(TimedOut)
        log.warn("{pool} does not answer, and is not waited for any longer", pool=self.name)
