"""Listening on the endpoints that ``server.bind`` describes."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit
from typing import Any, cast

from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import AdoptedStreamServerEndpoint, serverFromString
from twisted.internet.error import CannotListenError, ReactorNotRunning
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IReactorCore, IStreamServerEndpoint
from twisted.internet.protocol import Protocol
from twisted.internet.stdio import StandardIO
from twisted.internet.testing import MemoryReactor
from twisted.python.failure import Failure

from .errors import StartError
from .reactor import IReactor
from .services import Service

# Of a Unix socket, in bytes, on Linux.
LONGEST_PATH = 107


# File descriptors that clients are not given: for the storage, mail servers, identity stores, and requests to others.
KEPT_BACK = 256


def connections_at_most(wanted: int, key: str, warn: Callable[[str], object]) -> int:
    """
    How many connections of clients leave enough file descriptors for all else, ``wanted`` of them at most.

    ``key`` is where that number is from, for what ``warn`` is told if there are fewer.  The process's own limit is
    raised as far as it may be: by default, systems set it for programs that cannot count further than 1,024.
    """
    soft, hard = getrlimit(RLIMIT_NOFILE)
    needed = wanted + KEPT_BACK
    if soft != RLIM_INFINITY and soft < needed:
        soft = needed if hard == RLIM_INFINITY else min(needed, hard)
        setrlimit(RLIMIT_NOFILE, (soft, hard))
    possible = wanted if soft == RLIM_INFINITY else min(wanted, max(soft - KEPT_BACK, soft // 4))
    if possible < wanted:
        warn(
            f"{key}: only {possible} connections instead of {wanted}, since the process may have {soft} files open and"
            " others need some; raise its limit (LimitNOFILE of systemd, ulimit -n)"
        )
    return possible


class Listener(Service):
    """Listens from its start to its stop.  A start that cannot listen ends the process with a line that says why."""

    def __init__(self, key: str, description: str, factory: IProtocolFactory, reactor: IReactor) -> None:
        """``description`` is an endpoint of Twisted's, such as ``tcp:8090:interface=127.0.0.1``, named by ``key``."""
        self._key = key
        self._description = description
        self._factory = factory
        self._reactor = reactor
        self._port: IListeningPort | None = None

    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        self._port = open_port(self._key, self._description, self._factory, self._reactor)

    def stopService(self) -> Any:
        super().stopService()
        return self._port.stopListening() if self._port is not None else None


class CannotListen(SystemExit, StartError):
    """
    Ends a process whose services are being started, with a message and without a traceback.

    It is an ``Exception`` as well: no other end of a daemon is told to the process that waits for its start.
    """


def open_port(key: str, description: str, factory: IProtocolFactory, reactor: IReactor) -> IListeningPort:
    """
    Listen on an endpoint, which the configuration has at ``key``.

    Raises :class:`CannotListen`: between :func:`check_free` and now, somebody else may have begun to.
    """
    opened: list[IListeningPort] = []
    failures: list[Failure] = []
    serverFromString(reactor, on_this_machine(description)).listen(factory).addCallbacks(opened.append, failures.append)
    for failure in failures:
        reason = _explained(description, failure.value or failure)
        raise CannotListen(f"mxisd cannot start:\n{key}: {reason}")
    return opened[0]


def check_free(key: str, descriptions: Sequence[str], reactor: IReactor) -> None:
    """
    See whether one can listen on all of some endpoints now, and let go of them again.

    Endpoints that plugins bring, and sockets that systemd hands over, are not looked at any closer.  Raises
    :class:`~mxisd.errors.StartError`.
    """
    taken: set[str] = set()
    with ExitStack() as held:
        for description in descriptions:
            try:
                here = on_this_machine(description)
                serverFromString(reactor, here)
                for socket_ in _sockets(_recorded(here), taken):
                    held.enter_context(socket_)
            except LookupError:
                raise StartError(f"{key}: {description}: systemd has handed over no such socket") from None
            except Exception as error:
                # Of any kind: there is OpenSSL's own for a certificate, and who knows what plugins raise.
                raise StartError(f"{key}: {_explained(description, error)}") from None


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


_NOBODY: Any = None


def _recorded(description: str) -> MemoryReactor:
    """A reactor that knows what it was asked to listen on."""
    recorder: Any = MemoryReactor()
    with suppress(AttributeError):  # it may be asked for more than it has
        serverFromString(recorder, description).listen(_NOBODY).addErrback(lambda _: None)
    return cast("MemoryReactor", recorder)


def _sockets(asked: MemoryReactor, taken: set[str]) -> Iterator[socket.socket]:
    """What is listened on; ``taken`` are the paths of sockets that have been, to which this adds."""
    for port, _, _, interface in asked.tcpServers:
        yield _listening(interface, port)
    for port, _, context, _, interface in asked.sslServers:
        context.getContext()
        yield _listening(interface, port)
    for path, _, _, _, locks in asked.unixServers:
        _check_unix(path, bool(locks), taken)


def _listening(interface: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in interface else socket.AF_INET, socket.SOCK_STREAM)
    try:
        # As Twisted does: connections that were closed a moment ago are no hindrance.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((interface, port))
        listening.listen(1)
    except BaseException:
        listening.close()
        raise
    return listening


def _check_unix(path: str, locks: bool, taken: set[str]) -> None:
    """
    Whether a socket can be made, as Twisted does it.

    One that is there already is removed only if a process has left it behind that had it locked, and is no more.
    """
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"the folder {folder} is missing")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, f"no socket can be made in the folder {folder}")
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise OSError("AF_UNIX path too long")
    left_behind = locks and _is_left_behind(f"{path}.lock") and Path(path).is_socket()
    if path in taken or (os.path.lexists(path) and not left_behind):
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    taken.add(path)


def _is_left_behind(lock: str) -> bool:
    try:
        os.kill(int(str(Path(lock).readlink())), 0)
    except FileNotFoundError:
        return False
    except ProcessLookupError:
        return True
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _explained(description: str, error: object) -> str:
    reason = error.socketError if isinstance(error, CannotListenError) else error
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    if getattr(reason, "errno", None) == errno.EADDRINUSE:
        text += ": another process has it, perhaps a running mxisd"
        if description.startswith("unix:"):
            text += "; if none does, remove the file"
    return f"cannot listen on {description}: {text}"


# In a worker.


def inherited(descriptor: int, factory: IProtocolFactory, reactor: IReactor) -> IService:
    """What serves on a socket that a supervisor hands over.  Raises :class:`~mxisd.errors.StartError`."""
    try:
        endpoint = AdoptedStreamServerEndpoint(reactor, descriptor, _family(descriptor))
    except OSError as error:
        raise StartError(f"--sockets: expected file descriptors of sockets, found {descriptor}: {error}") from None
    return Adopted(endpoint, factory)


class Adopted(Service):
    """Serves on a socket that listens already.  Twisted's own service for that takes a tenth of the start to import."""

    def __init__(self, endpoint: IStreamServerEndpoint, factory: IProtocolFactory) -> None:
        self._endpoint = endpoint
        self._factory = factory

    def startService(self) -> None:
        super().startService()
        self._port = self._endpoint.listen(self._factory)

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return self._port.addCallback(lambda port: port.stopListening())


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
