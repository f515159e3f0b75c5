"""Supervising workers, with processes that exist in name only; the real ones are in tests/integration."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from twisted.internet.error import ConnectionDone, ProcessTerminated
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from mxisd import workers
from mxisd.config import ConfigError
from mxisd.listening import UntilTheEnd
from mxisd.reactor import IReactor
from mxisd.workers import KILL_AFTER, LAST_PAUSE, SOUND, Supervisor, Worker
from tests.config.case import ConfigCase


class Process:
    """What a reactor returns for a child."""

    def __init__(self, protocol: Worker) -> None:
        self.protocol = protocol
        self.pid = 1
        self.told: list[str] = []

    def closeStdin(self) -> None:
        self.told.append("end")

    def signalProcess(self, signal: str) -> None:
        self.told.append(signal)

    def die(self) -> None:
        self.protocol.processEnded(Failure(ProcessTerminated(1)))


class Reactor(MemoryReactorClock):
    """Keeps the processes that it was to start, the latest last."""

    def __init__(self) -> None:
        super().__init__()
        self.spawned: list[Process] = []

    def spawnProcess(
        self,
        protocol: Worker,
        executable: str,
        args: list[str],
        env: Any,
        childFDs: dict[int, Any],  # noqa: N803
    ) -> Process:
        self.spawned.append(Process(protocol))
        return self.spawned[-1]


class SupervisorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = Reactor()
        self.supervisor = Supervisor({}, Path("mxisd.yaml"), 2, cast("IReactor", self.reactor))
        self.supervisor.startService()

    def test_all_are_started(self) -> None:
        self.assertEqual(len(self.reactor.spawned), 2)

    def test_one_that_dies_is_replaced(self) -> None:
        self.reactor.spawned[0].die()
        self.assertEqual(len(self.reactor.spawned), 2)
        self.reactor.advance(1)
        self.assertEqual(len(self.reactor.spawned), 3)

    def test_one_that_dies_at_once_is_replaced_less_and_less_often(self) -> None:
        self.assertEqual([self.pause() for _ in range(7)], [1, 2, 4, 8, 16, LAST_PAUSE, LAST_PAUSE])

    def test_one_that_has_served_is_replaced_soon(self) -> None:
        for _ in range(4):
            self.pause()
        self.reactor.advance(SOUND)
        self.assertEqual(self.pause(), 1)

    def pause(self) -> float:
        """Let the latest die; after how many seconds there is another one."""
        number, since = len(self.reactor.spawned), self.reactor.seconds()
        self.reactor.spawned[-1].die()
        while len(self.reactor.spawned) == number:
            self.reactor.advance(0.5)
        return self.reactor.seconds() - since

    def test_at_the_end_it_waits_for_all(self) -> None:
        stopped = self.supervisor.stopService()
        self.assertEqual([process.told for process in self.reactor.spawned], [["end"], ["end"]])
        self.reactor.spawned[0].die()
        self.assertNoResult(stopped)
        self.reactor.spawned[1].die()
        self.successResultOf(stopped)
        self.reactor.advance(KILL_AFTER)
        self.assertEqual(len(self.reactor.spawned), 2)

    def test_one_that_does_not_end_is_killed(self) -> None:
        self.supervisor.stopService()
        self.reactor.advance(KILL_AFTER)
        self.assertEqual(self.reactor.spawned[0].told, ["end", "KILL"])

    def test_one_that_is_dead_at_the_end_stays_so(self) -> None:
        self.reactor.spawned[0].die()
        stopped = self.supervisor.stopService()
        self.reactor.spawned[1].die()
        self.successResultOf(stopped)
        self.reactor.advance(LAST_PAUSE)
        self.assertEqual(len(self.reactor.spawned), 2)


class MistakesTests(ConfigCase):
    def mistakes(self, text: str) -> str:
        try:
            workers.check(self.config(text))
        except ConfigError as error:
            return str(error)
        return ""

    def test_redis_and_tcp(self) -> None:
        self.assertEqual(self.mistakes("storage: {backend: redis}"), "")

    def test_sqlite_serves_one_process(self) -> None:
        self.assertIn("storage.backend: --workers needs postgresql or redis", self.mistakes(""))

    def test_sockets_that_cannot_be_shared(self) -> None:
        found = self.mistakes("storage: {backend: redis}\nserver: {bind: ['unix:/run/mxisd.sock']}")
        self.assertEqual(
            found, "server.bind: --workers needs endpoints that begin with tcp:, found unix:/run/mxisd.sock"
        )


class LifelineTests(SynchronousTestCase):
    def test_a_worker_ends_once(self) -> None:
        reactor = MemoryReactorClock()
        reactor.run()
        end = UntilTheEnd(reactor)
        end.connectionLost(Failure(ConnectionDone()))
        self.assertTrue(reactor.hasStopped)
