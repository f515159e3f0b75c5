"""What signals ask of the process, and what systemd is told."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec.structs import replace
from twisted.internet.task import Clock, deferLater
from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase

from mxisd.config import Config, ConfigError
from mxisd.config.matrix import Matrix
from mxisd.config.server import Logging
from mxisd.process import Hangup, LastWords, Reload, Systemd
from mxisd.reactor import installed_reactor

reactor = installed_reactor()

CONFIG = Config(matrix=Matrix(domain="example.org"))


class SignalTests(TestCase):
    async def test_sighup_calls_and_never_ends_the_process(self) -> None:
        calls: list[str] = []
        service = Hangup(lambda: calls.append("called"), reactor)
        self.addCleanup(signal.signal, signal.SIGHUP, signal.SIG_DFL)
        service.startService()
        os.kill(os.getpid(), signal.SIGHUP)
        await deferLater(reactor, 0)
        self.assertEqual(calls, ["called"])
        service.stopService()
        os.kill(os.getpid(), signal.SIGHUP)
        await deferLater(reactor, 0)
        self.assertEqual(calls, ["called"])

    def test_whoever_asks_twice_to_stop_changes_nothing(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        service = LastWords()
        service.startService()
        service.stopService()
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)


class ReloadTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.told: list[str] = []
        observe: Any = self.observe
        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        self.applied: list[str] = []

    def observe(self, event: LogEvent) -> None:
        if event["log_namespace"] == "mxisd.process":
            self.told.append(event["log_format"].format(**event))

    def reload(self, before: Config, after: Config) -> None:
        Reload(before, lambda: after, {"logging": lambda config: self.applied.append(config.logging.app)})()

    def test_what_can_change_does(self) -> None:
        before = CONFIG
        self.reload(before, replace(before, logging=Logging(app="debug")))
        self.assertEqual(self.applied, ["debug"])
        self.assertEqual(self.told, ["read again: logging"])

    def test_what_needs_a_restart_is_named_by_its_key(self) -> None:
        before = CONFIG
        server = replace(before.server, port=8099, public_url="https://other.example.org")
        self.reload(before, replace(before, server=server))
        self.assertEqual(self.told[1:], ["changed, and without effect until a restart: server.port, server.publicUrl"])

    def test_a_configuration_that_is_wrong_changes_nothing(self) -> None:
        def read() -> Config:
            raise ConfigError(["server.port: expected a port"])

        Reload(CONFIG, read, {"logging": lambda config: self.applied.append("applied")})()
        self.assertEqual(self.applied, [])
        self.assertIn("server.port: expected a port", *self.told)


class SystemdTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory(prefix="mxisd-")
        self.addCleanup(folder.cleanup)
        self.path = str(Path(folder.name) / "notify")
        self.systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.systemd.close)
        self.systemd.bind(self.path)
        self.systemd.setblocking(False)

    def heard(self) -> list[str]:
        found = []
        try:
            while True:
                found.append(self.systemd.recv(1000).decode())
        except BlockingIOError:
            return found

    def start(self, environ: dict[str, str]) -> tuple[Systemd, Clock]:
        clock: Any = Clock()
        clock.callWhenRunning = lambda call: clock.callLater(0, call)
        service = Systemd(environ, clock)
        service.startService()
        return service, clock

    def test_ready_comes_when_the_reactor_runs_and_stopping_at_the_stop(self) -> None:
        environ = {"NOTIFY_SOCKET": self.path}
        service, clock = self.start(environ)
        self.assertEqual(self.heard(), [])
        clock.advance(0)
        self.assertEqual(self.heard(), ["READY=1"])
        clock.advance(3600)
        service.stopService()
        self.assertEqual(self.heard(), ["STOPPING=1"])
        # Programs of the administrator's must not speak for us.
        self.assertEqual(environ, {})

    def test_the_watchdog_hears_of_us_twice_as_often_as_it_wants(self) -> None:
        _, clock = self.start(
            {"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}
        )
        clock.advance(0)
        self.heard()
        clock.pump([15, 15])
        self.assertEqual(self.heard(), ["WATCHDOG=1", "WATCHDOG=1"])

    def test_a_watchdog_for_another_process_is_none_of_ours(self) -> None:
        _, clock = self.start({"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"})
        clock.pump([0, 15])
        self.assertEqual(self.heard(), ["READY=1"])

    def test_without_systemd_nobody_is_told(self) -> None:
        service, clock = self.start({})
        clock.advance(0)
        service.stopService()
        self.assertEqual(clock.getDelayedCalls(), [])
