"""``twistd mxisd --workers``: several processes on one machine, behind the same listening sockets."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IListeningPort, IProcessTransport
from twisted.internet.protocol import Factory, ProcessProtocol
from twisted.python.failure import Failure

from . import metrics
from .config import Config, ConfigError
from .config.server import METRICS
from .errors import StartError
from .listening import check_free, open_port
from .log import Logger
from .reactor import IReactor
from .services import Service

log = Logger()

# The first socket that a worker inherits, after its standard ones.
FIRST = 3
# Seconds before one that has died is replaced: the first time, and at most.
FIRST_PAUSE = 1.0
LAST_PAUSE = 30.0
# One that has served for so many seconds is not taken to die at once again.
SOUND = 60.0
# Seconds that workers have to end in order: more than they wait for deliveries under way.
KILL_AFTER = 30.0


def check(config: Config) -> None:
    """Raises :class:`~mxisd.config.ConfigError` for a configuration that is not for several processes."""
    if mistakes := list(_mistakes(config)):
        raise ConfigError(mistakes)


def _mistakes(config: Config) -> Iterator[str]:
    if not config.storage.is_shared:
        yield "storage.backend: --workers needs postgresql or redis, which processes can share; sqlite serves one"
    if config.internal.bind:
        yield "internal.bind: --workers does not serve it; a process of its own beside them does"
    for description in (*config.server.bind, *config.metrics.bind):
        # Workers do not see TLS settings, and the first worker to exit would delete the shared Unix socket.
        if not description.startswith("tcp:"):
            key = "server.bind" if description in config.server.bind else "metrics.bind"
            yield f"{key}: --workers needs endpoints that begin with tcp:, found {description}"


def endpoints(config: Config, reactor: IReactor) -> dict[str, Sequence[str]]:
    """What workers share, by key: those of metrics only if they are free, or were asked for."""
    found: dict[str, Sequence[str]] = {"server.bind": config.server.bind}
    if config.metrics.enabled:
        with suppress(StartError):
            check_free("metrics.bind", () if config.metrics.bind else METRICS, reactor)
            found["metrics.bind"] = config.metrics.bind or METRICS
    return found


def command(config: Path, endpoints: Mapping[str, Sequence[str]]) -> list[str]:
    """What starts a worker with the interpreter and the libraries of this process."""
    run = "from twisted.scripts.twistd import run; run()"
    numbers = count(FIRST)
    sockets = " ".join(f"{key}={','.join(str(next(numbers)) for _ in bind)}" for key, bind in endpoints.items())
    return [sys.executable, "-c", run, "-n", "--pidfile=", "mxisd", "--config", str(config), "--sockets", sockets]


class Supervisor(Service):
    """
    Listens, has ``number`` workers accept the connections, and replaces those that die.

    A worker has the sockets as its file descriptors from :data:`FIRST` on.  What it prints goes to our log, and it ends
    in order when its standard input does: so none outlives us, however we end.
    """

    name = "workers"

    def __init__(self, endpoints: Mapping[str, Sequence[str]], config: Path, number: int, reactor: IReactor) -> None:
        """``endpoints`` are by the key that has them, ``config`` is the configuration file."""
        self._endpoints = endpoints
        self._reactor = reactor
        self._ports: list[IListeningPort] = []
        self._numbers = TemporaryDirectory(prefix="mxisd-metrics-")
        program = command(config, endpoints)
        self._workers = [
            Worker(index + 1, program, self._descriptors, self._numbers.name, reactor) for index in range(number)
        ]

    def privilegedStartService(self) -> None:
        """Listen, before privileges are dropped.  Raises :class:`~mxisd.listening.CannotListen`."""
        super().privilegedStartService()
        for key, bind in self._endpoints.items():
            for description in bind:
                self._hold(open_port(key, description, Factory(), self._reactor))

    def startService(self) -> None:
        super().startService()
        for worker in self._workers:
            worker.start()

    def stopService(self) -> Deferred[Any]:
        super().stopService()
        # Nobody shall connect who is not served any more: sockets are closed when the workers have closed theirs too.
        closing: list[Deferred[Any]] = [maybeDeferred(port.stopListening) for port in self._ports]
        ended: Deferred[Any] = DeferredList([*closing, *(worker.stop() for worker in self._workers)])
        return ended.addCallback(lambda _: self._numbers.cleanup())

    def hang_up(self) -> None:
        """Have all workers read the configuration again."""
        for worker in self._workers:
            worker.hang_up()

    def _hold(self, port: Any) -> None:
        """Keep a socket open, but leave its connections to the workers."""
        port.stopReading()
        self._ports.append(port)

    def _descriptors(self) -> list[int]:
        return [port.fileno() for port in self._ports]  # type: ignore[attr-defined]  # all that listen have it


class Worker(ProcessProtocol):
    """One process after another."""

    def __init__(
        self,
        number: int,
        command: Sequence[str],
        sockets: Callable[[], list[int]],
        numbers: str,
        reactor: IReactor,
    ) -> None:
        """``numbers`` is the folder in which all workers count."""
        self._numbers = numbers
        self._number = number
        self._command = command
        self._sockets = sockets
        self._reactor = reactor
        self._process: IProcessTransport | None = None
        self._pid = 0
        self._started = 0.0
        self._pause = FIRST_PAUSE
        self._again: IDelayedCall | None = None
        self._ended: Deferred[None] | None = None
        self._rest = b""

    def start(self) -> None:
        self._again, self._started, self._rest = None, self._reactor.seconds(), b""
        descriptors: dict[int, str | int] = {0: "w", 1: "r", 2: "r"}
        descriptors |= dict(enumerate(self._sockets(), FIRST))
        self._process = self._reactor.spawnProcess(
            self,
            self._command[0],
            self._command,
            env={**os.environ, metrics.FOLDER: self._numbers},
            childFDs=descriptors,
        )
        self._pid = self._process.pid or 0
        log.info("worker {number} is process {pid}", number=self._number, pid=self._pid)

    def hang_up(self) -> None:
        """Pass SIGHUP on."""
        if self._process is not None:
            self._process.signalProcess("HUP")

    def stop(self) -> Deferred[None]:
        """End the process in order, or by force when that takes too long; fires when it has ended."""
        self._ended = Deferred()
        if self._again is not None:
            self._again.cancel()
        if self._process is None:
            self._ended.callback(None)
        else:
            # Not SIGTERM: who sent us one may have sent it to all of us.
            self._process.closeStdin()
            force = self._reactor.callLater(KILL_AFTER, self._process.signalProcess, "KILL")
            self._ended.addCallback(lambda _: force.cancel() if force.active() else None)
        return self._ended

    def childDataReceived(self, childFD: int, data: bytes) -> None:  # noqa: N803  # as inherited
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            log.info("worker {number}: {line}", number=self._number, line=line.decode(errors="replace"))

    def processEnded(self, reason: Failure) -> None:
        metrics.forget_process(self._pid, self._numbers)
        self._process = None
        if self._ended is not None:
            self._ended.callback(None)
            return
        if self._reactor.seconds() - self._started >= SOUND:
            self._pause = FIRST_PAUSE
        log.error(
            "worker {number} has died, and is replaced in {pause:g} s: {reason}",
            number=self._number,
            pause=self._pause,
            reason=reason.getErrorMessage(),
        )
        self._again = self._reactor.callLater(self._pause, self.start)
        self._pause = min(self._pause * 2, LAST_PAUSE)
