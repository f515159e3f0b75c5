"""The process among others: what signals ask of it, and what systemd is told."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import suppress

from twisted.internet.task import LoopingCall

from .config import Config, ConfigError
from .config.engine.problems import is_within, join
from .config.engine.section import Section
from .log import Logger
from .reactor import IReactor
from .services import Service, Services

log = Logger()


def among_others(services: Services, hangup: Callable[[], object], reactor: IReactor) -> None:
    """Add what follows signals and tells systemd: the last to start, and the first to stop."""
    services.add(Hangup(hangup, reactor))
    services.add(Systemd(os.environ, reactor))
    services.add(LastWords())


class Hangup(Service):
    """Calls a function when the process gets SIGHUP, which would else end it."""

    def __init__(self, call: Callable[[], object], reactor: IReactor) -> None:
        self._call = call
        self._reactor = reactor

    def startService(self) -> None:
        super().startService()
        # A handler may interrupt anything.
        signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self._call))

    def stopService(self) -> None:
        super().stopService()
        # Not what was before: SIGHUP during a stop must not cut it short.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


class Reload:
    """
    Reads the configuration again, and applies what can change under a running server.

    ``live`` has what applies a new configuration, by the key that it is about.  What else is different from the start
    needs a restart, and the log says so.  A configuration that is wrong changes nothing.
    """

    def __init__(
        self, config: Config, read: Callable[[], Config], live: Mapping[str, Callable[[Config], object]]
    ) -> None:
        """``read`` may raise :class:`~mxisd.config.ConfigError`."""
        self._config = config
        self._read = read
        self._live = live

    def __call__(self) -> None:
        try:
            config = self._read()
        except ConfigError as error:
            log.error("all stays as it was, since the configuration is wrong: {error}", error=str(error))
            return
        for apply in self._live.values():
            apply(config)
        log.info("read again: {keys}", keys=", ".join(self._live))
        waiting = [key for key in _changed(self._config, config, "") if not self._is_live(key)]
        if waiting:
            log.warn("changed, and without effect until a restart: {keys}", keys=", ".join(waiting))

    def _is_live(self, key: str) -> bool:
        return any(is_within(key, live) for live in self._live)


def _changed(before: Section, after: Section, path: str) -> Iterator[str]:
    """The keys of two sections whose values are not the same."""
    for name, key in zip(before.__struct_fields__, before.__struct_encode_fields__, strict=True):
        old, new = getattr(before, name), getattr(after, name)
        if isinstance(old, Section) and isinstance(new, Section):
            yield from _changed(old, new, join(path, key))
        elif old != new and key != "warnings":
            yield join(path, key)


class LastWords(Service):
    """
    Is stopped before all others, and tells those who need not ask a second time.

    A signal to stop that comes while we stop changes nothing: the stop takes no longer than it has to.
    """

    def stopService(self) -> None:
        super().stopService()
        log.info("stopping")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _already_stopping)


def _already_stopping(*_: object) -> None:
    log.info("already stopping")


class Systemd(Service):
    """
    Tells systemd that the server is ready, stopping and, where it asks for that, alive (sd_notify(3), Type=notify).

    ``environ`` loses what systemd has put there: it is not for processes that we start.
    """

    def __init__(self, environ: MutableMapping[str, str], reactor: IReactor) -> None:
        self._address = environ.pop("NOTIFY_SOCKET", "")
        self._reactor = reactor
        watchdog, process = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        watched = watchdog.isdecimal() and process in ("", str(os.getpid()))
        # Twice as often as it has to be.
        self._interval = int(watchdog) / 2_000_000 if watched else None
        self._alive = LoopingCall(self._tell, "WATCHDOG=1")
        self._alive.clock = reactor

    def startService(self) -> None:
        super().startService()
        self._reactor.callWhenRunning(self._ready)

    def stopService(self) -> None:
        super().stopService()
        self._tell("STOPPING=1")

    def _ready(self) -> None:
        self._tell("READY=1")
        if self._interval and self._address:
            self._alive.start(self._interval)

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        # An address that begins with @ is an abstract one.
        address = self._address.replace("@", "\0", 1) if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(state.encode(), address)
