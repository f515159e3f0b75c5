"""Listening on the endpoints that ``server.bind`` describes."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import IService
from twisted.internet.endpoints import AdoptedStreamServerEndpoint, serverFromString
from twisted.internet.error import CannotListenError, ReactorNotRunning
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IReactorCore
from twisted.internet.protocol import Protocol
from twisted.internet.stdio import StandardIO
from twisted.internet.testing import MemoryReactor
from twisted.python.failure import Failure

from .errors import StartError
from .reactor import IReactor
from .services import Service


class Listener(Service):
    """Listens from its start to its stop.  A start that cannot listen ends the process with a line that says why."""

    def __init__(self, description: str, factory: IProtocolFactory, reactor: IReactor) -> None:
        """``description`` is an endpoint of Twisted's, such as ``tcp:8090:interface=127.0.0.1``."""
        self.name = self._description = description
        self._factory = factory
        self._reactor = reactor
        self._port: IListeningPort | None = None

    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        self._port = open_port(self._description, self._factory, self._reactor)

    def stopService(self) -> Any:
        super().stopService()
        return self._port.stopListening() if self._port is not None else None


def open_port(description: str, factory: IProtocolFactory, reactor: IReactor) -> IListeningPort:
    """
    Listen on an endpoint.

    This is called when services are started, too late for a :class:`~mxisd.errors.StartError`.  Raises ``SystemExit``
    with a line that says why one cannot listen: between :func:`check_free` and now, somebody else may have begun to.
    """
    opened: list[IListeningPort] = []
    failures: list[Failure] = []
    serverFromString(reactor, on_this_machine(description)).listen(factory).addCallbacks(opened.append, failures.append)
    for failure in failures:
        raise SystemExit(f"mxisd cannot start:\nserver.bind: {_explained(description, failure.value or failure)}")
    return opened[0]


def check_free(description: str) -> None:
    """
    See whether one can listen on an endpoint now, and let go of it again.

    Endpoints that plugins bring, and sockets that systemd hands over, are not looked at.  Raises
    :class:`~mxisd.errors.StartError`.
    """
    recorder: Any = MemoryReactor()
    try:
        endpoint = serverFromString(recorder, on_this_machine(description))
        endpoint.listen(_NOBODY).addErrback(lambda failure: failure.trap(Exception))
    except (ValueError, LookupError, OSError, TypeError) as error:
        raise StartError(f"server.bind: {description}: {error}") from None
    except AttributeError:
        return  # it wants more of a reactor than the recorder has
    try:
        for port, _, _, interface in (*recorder.tcpServers, *((s[0], s[1], s[3], s[4]) for s in recorder.sslServers)):
            _bind(interface, port)
        for path, *_ in recorder.unixServers:
            _bind_unix(path)
    except OSError as error:
        raise StartError(f"server.bind: {_explained(description, error)}") from None


_NOBODY: Any = None


def on_this_machine(description: str) -> str:
    """The endpoint to open for one that ``server.bind`` describes: without IPv6, all addresses are those of IPv4."""
    return description if _both_families() else description.removesuffix(r":interface=\:\:")


def _both_families() -> bool:
    """Whether a socket on all addresses of IPv6 takes connections over IPv4 too."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
            return not probe.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    except OSError:
        return False


def _bind(interface: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in interface else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As Twisted does: connections that were closed a moment ago are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((interface, port))
        probe.listen(1)


def _bind_unix(path: str) -> None:
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(2, f"the folder {folder} is missing")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(13, f"no socket can be made in the folder {folder}")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe,
        suppress(FileNotFoundError, ConnectionRefusedError),
    ):
        probe.connect(path)
        raise OSError(98, "somebody listens there already")


def _explained(description: str, error: object) -> str:
    reason = error.socketError if isinstance(error, CannotListenError) else error
    text = getattr(reason, "strerror", None) or str(reason)
    return f"cannot listen on {description}: {text}"


# In a worker.


def inherited(descriptors: str, factory: IProtocolFactory, reactor: IReactor) -> Iterator[IService]:
    """What serves on sockets that a supervisor hands over: file descriptors, with commas in between."""
    for number in map(int, descriptors.split(",")):
        endpoint = AdoptedStreamServerEndpoint(reactor, number, _family(number))
        yield StreamServerEndpointService(endpoint, factory)
    yield Lifeline(reactor)


def _family(descriptor: int) -> int:
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        return copy.family


class Lifeline(Service):
    """Ends this process when its standard input ends, the other end of which the supervisor holds."""

    def __init__(self, reactor: IReactor) -> None:
        self._reactor = reactor

    def startService(self) -> None:
        super().startService()
        StandardIO(UntilTheEnd(self._reactor), reactor=self._reactor)


class UntilTheEnd(Protocol):
    """Reads nothing, and stops the reactor when there is nothing more to read."""

    def __init__(self, reactor: IReactorCore) -> None:
        self._reactor = reactor

    def connectionLost(self, reason: Any = None) -> None:
        with suppress(ReactorNotRunning):
            self._reactor.stop()
