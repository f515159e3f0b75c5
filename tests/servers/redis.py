"""A real Redis for tests: in a folder of its own, and gone when the tests are, however they end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from atexit import register
from collections.abc import Sequence
from functools import cache
from pathlib import Path

# Redis lives as long as nobody closes the other end of the pipe: even a killed test leaves nothing behind.
_UNTIL_THE_PIPE_CLOSES = '"$@" & server=$!; read -r _; kill -9 $server 2>/dev/null; wait'


class RedisServer:
    """``redis-server`` on a Unix socket, with settings of the test's own, such as ``appendonly="yes"``."""

    mode: Sequence[str] = ()

    def __init__(self, *lines: str, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mxisd-redis-"))
        self.socket = self.folder / "redis.sock"
        settings = {"port": "0", "bind": "127.0.0.1", "unixsocket": "redis.sock", "pidfile": "redis.pid"} | settings
        lines += tuple(f"{name.replace('_', '-')} {value}" for name, value in settings.items())
        (self.folder / "redis.conf").write_text("\n".join(('save ""', *lines)))
        self.start()
        register(self.remove)

    @property
    def url(self) -> str:
        return f"unix:{self.socket}"

    @property
    def pid(self) -> int:
        return int((self.folder / "redis.pid").read_text())

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._process = subprocess.Popen(
            ["sh", "-c", _UNTIL_THE_PIPE_CLOSES, "sh", "redis-server", "redis.conf", *self.mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
        )
        deadline = time.monotonic() + 30
        while self.ask("PING")[:8] in ("", "-LOADING"):
            if time.monotonic() > deadline:
                raise AssertionError("redis-server did not start")
            time.sleep(0.01)

    def kill(self) -> None:
        """End it as the kernel would for want of memory."""
        self._process.communicate(b"")
        self.socket.unlink(missing_ok=True)

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stall(self) -> None:
        """Let it stand still: connections stay, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def ask(self, *command: str) -> str:
        """Send a command and return its answer as it comes over the wire; nothing if nobody is there.  This blocks."""
        parts = [f"*{len(command)}\r\n", *(f"${len(part.encode())}\r\n{part}\r\n" for part in command)]
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(str(self.socket))
                connection.sendall("".join(parts).encode())
                return connection.recv(1 << 20).decode()
            except OSError:
                return ""

    def flush(self) -> None:
        self.ask("FLUSHALL")


class Sentinel(RedisServer):
    """A Sentinel at a port, for the service ``ours`` of which a server at another port is in charge."""

    mode = ("--sentinel",)

    def __init__(self, port: int, master: int, host: str = "127.0.0.1", quorum: int = 2, **settings: str) -> None:
        # By name, so that it can be told from which certificate is expected.
        names = ("sentinel resolve-hostnames yes", "sentinel announce-hostnames yes")
        watched = (f"sentinel monitor ours {host} {master} {quorum}", "sentinel down-after-milliseconds ours 300")
        super().__init__(*names, *watched, "sentinel failover-timeout ours 2000", **{"port": f"{port}"} | settings)


@cache
def shared() -> RedisServer:
    """One server for all tests that need nothing but an empty Redis."""
    return RedisServer()
