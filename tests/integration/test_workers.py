"""``twistd mxisd --workers``: several real processes behind one port."""

from __future__ import annotations

import os
import re
import signal
import socket
from pathlib import Path
from typing import Any

from tests.integration.matrix_client import V2, Refused
from tests.integration.mxisd import ENVIRONMENT
from tests.integration.names import TWISTD
from tests.integration.process import Process, eventually, installed, listens
from tests.integration.test_mxisd_starts import FolderCase
from tests.servers.redis import RedisServer


class WorkersTests(FolderCase):
    def setUp(self) -> None:
        super().setUp()
        installed("redis-server")
        self.redis = RedisServer(appendonly="yes")
        self.addCleanup(self.redis.remove)

    def start_workers(self) -> Process:
        config = self.config_file(storage={"backend": "redis", "provider": {"redis": {"url": self.redis.url}}})
        command: list[str | Path] = [TWISTD, "-n", "--pidfile=", "mxisd", "--workers", "2", "--config", config]
        process = Process(command, self.folder / "mxisd.log", ENVIRONMENT)
        self.addCleanup(process.stop)
        process.wait_until(self.client.answers)
        # The port is there from the start; they serve when both have said so.
        eventually(lambda: len(re.findall(r"worker [12]: .*mxisd \S+ serves", process.log)) == 2)
        return process

    def workers(self, process: Process) -> list[int]:
        """The process IDs of all that were ever started, the oldest first."""
        return [int(pid) for pid in re.findall(r"worker \d is process (\d+)", process.log)]

    def answers_with_a_key(self) -> bool:
        try:
            key: Any = self.client.get(f"{V2}/pubkey/ed25519:0")
        except Refused:
            return False  # it has just started, and the key is on its way from Redis
        return len(key["public_key"]) == 43

    def test_one_that_dies_is_replaced(self) -> None:
        process = self.start_workers()
        first, second = self.workers(process)
        os.kill(first, signal.SIGKILL)
        eventually(lambda: len(self.workers(process)) == 3)
        os.kill(second, signal.SIGKILL)
        # The one that is left, or its successor, gets the connection: nothing refuses it.
        eventually(self.answers_with_a_key)

    def test_all_end_with_the_supervisor(self) -> None:
        for end in ("stop", "kill"):
            process = self.start_workers()
            pids = self.workers(process)[-2:]
            getattr(process, end)()
            eventually(lambda pids=pids: not any(_is_there(pid) for pid in pids))  # type: ignore[misc]
            self.assertFalse(listens(self.port))
            self.assertNotIn("Traceback", process.log)
            (self.folder / "mxisd.log").unlink()

    def test_it_needs_redis(self) -> None:
        done = self.run_twistd("-n", "--pidfile=", "mxisd", "--workers", "2", "--config", self.config_file())
        self.assertEqual(done.returncode, 1)
        self.assertIn("storage.backend: --workers needs postgresql or redis", done.stderr)
        self.assertNotIn("Traceback", done.stderr + done.stdout)

    def test_a_port_that_is_taken(self) -> None:
        with socket.create_server(("127.0.0.1", self.port)):
            config = self.config_file(storage={"backend": "redis"})
            done = self.run_twistd("-n", "--pidfile=", "mxisd", "--workers", "2", "--config", config)
        self.assertEqual(done.returncode, 1)
        self.assertIn("Address already in use", done.stderr + done.stdout)
        self.assertNotIn("worker 1", done.stderr + done.stdout)


def _is_there(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes() != b""
    except OSError:
        return False
