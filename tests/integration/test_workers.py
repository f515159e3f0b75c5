"""``twistd mxisd --workers``: several real processes behind one port."""

from __future__ import annotations

import os
import re
import signal
import socket
import urllib.request
from pathlib import Path
from typing import Any

from tests.integration.matrix_client import V2, Refused
from tests.integration.mxisd import ENVIRONMENT
from tests.integration.names import TWISTD
from tests.integration.process import Process, eventually, free_port, installed, listens
from tests.integration.test_mxisd_starts import FolderCase
from tests.servers.redis import RedisServer


class WorkersTests(FolderCase):
    def setUp(self) -> None:
        super().setUp()
        installed("redis-server")
        self.redis = RedisServer(appendonly="yes")
        self.addCleanup(self.redis.remove)

    def start_workers(self, **sections: Any) -> Process:
        storage = {"backend": "redis", "provider": {"redis": {"url": self.redis.url}}}
        config = self.config_file(storage=storage, **sections)
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

    def test_whichever_is_asked_has_the_numbers_of_all(self) -> None:
        port = free_port()
        process = self.start_workers(metrics={"bind": [f"tcp:{port}:interface=127.0.0.1"]})
        asked = self.client.get("/_matrix/identity/versions")
        for _ in range(30):
            self.assertEqual(self.client.get("/_matrix/identity/versions"), asked)
        for _ in range(6):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                text = answer.read().decode()
            counted = re.search(r'^mxisd_requests_total{endpoint="[^"]*/versions".*"200"} (.*)$', text, re.MULTILINE)
            assert counted is not None
            self.assertGreaterEqual(float(counted[1]), 31)
        first, _ = self.workers(process)
        os.kill(first, signal.SIGKILL)
        eventually(lambda: len(self.workers(process)) == 3)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready") as answer:
            self.assertEqual(answer.status, 200)

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
