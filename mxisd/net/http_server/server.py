"""Accepts connections, finds the resource of a request, and sees to limits and time for all connections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Factory, Protocol
from twisted.web.error import UnsupportedMethod
from twisted.web.http import datetimeToString
from twisted.web.resource import IResource, getChildForRequest
from twisted.web.server import NOT_DONE_YET

from ...log import Logger
from ...services import Service
from ..networks import Network, is_within, network_of_client, usual_form
from .connection import HttpConnection
from .limits import Limits, Notices
from .parser import Refusal
from .request import HttpRequest

log = Logger()

ErrorPage = Callable[[Refusal], tuple[Mapping[bytes, bytes], bytes]]
"""The header fields and the body that go with a refusal."""

# Seconds that requests under way have to be answered when the server is stopped.
PATIENCE = 10.0
# Seconds until those are closed that seem to wait: their next requests may have come, and only not been read yet.
LINGER = 0.1


DEFAULTS = Limits()


class HttpServer(Factory):
    """
    Serves a tree of resources.

    A resource may have a method ``takes``.  It gets the request and ``limits.body``, and returns how large the body may
    be, in bytes, or ``None`` if the resource takes the body while it comes, as ``request.incoming``.
    """

    noisy = False

    def __init__(
        self,
        resource: IResource,
        clock: IReactorTime,
        error_page: ErrorPage,
        limits: Limits = DEFAULTS,
        proxies: Collection[Network] = (),
    ) -> None:
        """``proxies`` have many clients behind them: how many connections one of them has is not limited."""
        self.clock = clock
        self.limits = limits
        self.stopping = False
        self._resource = resource
        self._error_page = error_page
        self._proxies = proxies
        self._connections: set[HttpConnection] = set()
        self._of_client: Counter[str] = Counter()
        # The longest waiting first.
        self._waiting: dict[HttpConnection, None] = {}
        self._answering: set[HttpConnection] = set()
        self._kept: dict[HttpConnection, int] = {}
        self.reached = Notices(limits, clock).reached
        self._sweep: IDelayedCall | None = None
        self._stopped: Deferred[None] | None = None
        self._tell_time()

    # Connections.

    def buildProtocol(self, addr: Any) -> Protocol:
        client = self._client(addr)
        if client and self._of_client[client] >= self.limits.connections_per_client:
            self.reached("connections_per_client")
            return TurnedAway()
        if len(self._connections) >= self.limits.connections:
            self.reached("connections")
            if not self._make_room():
                return TurnedAway()
        return HttpConnection(self, addr, client)

    def made(self, connection: HttpConnection) -> None:
        """There is one more."""
        self._connections.add(connection)
        self._of_client[connection.client] += 1
        if self._sweep is None:
            self._tell_time()
            self._sweep = self.clock.callLater(1, self._look)

    def _client(self, addr: Any) -> str:
        """Whose connections are counted together; empty for those that are not."""
        host = getattr(addr, "host", None)
        if host is None:
            return ""
        address = usual_form(host)
        return "" if is_within(address, self._proxies) else network_of_client(address)

    def _make_room(self) -> bool:
        """Close the connection that waits for a request for the longest time, if one does."""
        longest = next(iter(self._waiting), None)
        if longest is not None:
            longest.transport.abortConnection()
            self.lost(longest)  # at once: more may come before it is closed
        return longest is not None

    def waits(self, connection: HttpConnection) -> None:
        """It waits for a request, and may be closed in favour of another connection."""
        self._waiting[connection] = None

    def begins(self, connection: HttpConnection) -> None:
        """It waits no more."""
        self._waiting.pop(connection, None)

    def lost(self, connection: HttpConnection) -> None:
        """It is gone."""
        self.begins(connection)
        self.ends(connection)
        if connection not in self._connections:
            return
        self._connections.remove(connection)
        self._of_client[connection.client] -= 1
        if not self._of_client[connection.client]:
            del self._of_client[connection.client]
        if not self._connections:
            if self._sweep is not None:
                self._sweep.cancel()
                self._sweep = None
            if self._stopped is not None and not self._stopped.called:
                self._stopped.callback(None)

    # Requests.

    def find(self, request: HttpRequest) -> tuple[Any, int | None]:
        """The resource that a request is for, and how large its body may be; ``None`` if it is taken while it comes."""
        resource: Any = getChildForRequest(self._resource, request)
        takes = getattr(resource, "takes", None)
        return resource, self.limits.body if takes is None else takes(request, self.limits.body)

    def answer(self, connection: HttpConnection, request: HttpRequest, resource: Any) -> None:
        """Have a resource answer.  Raises :class:`Refusal`."""
        if len(self._answering) >= self.limits.requests:
            raise Refusal(503, "The server has too much to do; please try again", "requests")
        self.begins(connection)
        self._answering.add(connection)
        try:
            body = resource.render(request)
        except UnsupportedMethod as unsupported:
            allow = {b"Allow": b", ".join(sorted(unsupported.allowedMethods))}
            self.refuse(request, Refusal(405, "This path does not know this method"), allow)
        except Exception:
            log.failure("{method} {path} failed", method=request.method, path=request.path)
            self.refuse(request, Refusal(500, "Internal error"))
        else:
            if body is not NOT_DONE_YET:
                # A resource that leaves out the body for HEAD has said itself how long it would be.
                if body or request.method != b"HEAD":
                    request.setHeader(b"Content-Length", b"%d" % len(body))
                request.write(body)
                request.finish()

    def refuse(self, request: HttpRequest, refusal: Refusal, more: Mapping[bytes, bytes] | None = None) -> None:
        """Answer in place of a resource; ``more`` are header fields."""
        headers, body = self._error_page(refusal)
        request.answer(refusal.status, {**headers, **(more or {})}, body)

    def ends(self, connection: HttpConnection) -> None:
        """A request was answered, or will not be."""
        self._answering.discard(connection)
        self._kept.pop(connection, None)

    def keep(self, connection: HttpConnection, size: int) -> None:
        """So much is kept of a body.  Raises :class:`Refusal` if there are too many large ones."""
        if size <= self.limits.body:
            return
        self._kept[connection] = size
        if sum(self._kept.values()) > self.limits.large_bodies:
            raise Refusal(503, "The server has too much to read; please try again", "large_bodies")

    # Time.

    def _tell_time(self) -> None:
        self.now = self.clock.seconds()
        """To the second, which is enough for time limits, and less than to look it up for each request."""
        self.date = b"Date: %b\r\n" % datetimeToString(self.now)
        """The header field that all answers of this second have."""

    def _look(self) -> None:
        self._sweep = self.clock.callLater(1, self._look)
        self._tell_time()
        for connection in list(self._connections):
            connection.look_at(self.now)

    def stop(self) -> Deferred[None]:
        """Close all connections, when what is under way has been answered; fires when they are closed."""
        self.stopping = True
        for connection in list(self._answering):
            connection.stop()
        if not self._connections:
            return succeed(None)
        self._stopped = Deferred()
        calls = [self.clock.callLater(LINGER, self._close_waiting), self.clock.callLater(PATIENCE, self._give_up)]

        def stopped(_: None) -> None:
            for call in calls:
                if call.active():
                    call.cancel()

        return self._stopped.addCallback(stopped)

    def _close_waiting(self) -> None:
        for connection in list(self._connections):
            connection.stop()

    def _give_up(self) -> None:
        for connection in list(self._connections):
            connection.give_up()


class Stopping(Service):
    """Has a server stop when services do: after those that listen for it, and before all that its answers need."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return self._server.stop()


class TurnedAway(Protocol):
    """A connection that there is no room for."""

    transport: Any

    def connectionMade(self) -> None:
        self.transport.abortConnection()
