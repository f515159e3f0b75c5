"""Real servers as child processes, on ports of their own."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shutil import which
from typing import TypeVar
from unittest import SkipTest

T = TypeVar("T")

ROOT = Path(__file__).parents[2]

# How long anything may take before it counts as hanging, in seconds: no measure of speed.
TIMEOUT = 120


class Process:
    """
    A command that runs in the background, what it prints going to the file ``log``.

    It gets SIGTERM when the tests' process dies, however that happens.
    """

    def __init__(self, command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None) -> None:
        self._log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *map(str, command)],
                cwd=ROOT,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Returns when it is ready; fails with what it printed if it ends before."""
        try:
            eventually(lambda: self._popen.poll() is not None or ready())
        except AssertionError as error:
            raise AssertionError(f"not ready; it said:\n{self.log}") from error
        if self._popen.poll() is not None:
            raise AssertionError(f"ended with {self._popen.returncode}; it said:\n{self.log}")

    def stop(self) -> None:
        """End it in order, if it has not ended."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a power failure would."""
        self._signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Send a signal, and do not wait for what comes of it."""
        self._popen.send_signal(number)

    def pause(self) -> None:
        """Stop it where it is, until :meth:`resume`; what others send it waits."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self.signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        """Its ID, the command's own."""
        return self._popen.pid

    @property
    def log(self) -> str:
        """What it has printed."""
        return self._log.read_text(errors="replace")

    def wait(self) -> None:
        """Return when it has ended."""
        self._popen.wait(TIMEOUT)

    def _signal(self, number: int) -> None:
        self.signal(number)
        self.wait()


def eventually(look: Callable[[], T | None]) -> T:
    """What ``look`` finds, looking until it is something."""
    end = time.monotonic() + TIMEOUT
    while not (found := look()):
        if time.monotonic() > end:
            raise AssertionError("waited in vain")
        time.sleep(0.05)
    return found


# The sockets that hold the ports which were given out.
_held: list[socket.socket] = []


def free_port() -> int:
    """
    A port of 127.0.0.1 that is the caller's until the tests' process ends.

    A socket that does not listen holds it.  Connections to it are refused, and the system gives it to nobody who wants
    any port, nor to an outgoing connection; another process that tries it gets an error.  But a server that sets
    SO_REUSEADDR, as all do, may listen there, again and again.
    """
    while True:
        # Outside the range of outgoing connections, for servers that use the port for UDP as well.
        port = random.SystemRandom().randrange(20000, 32000)
        holder = socket.socket()
        try:
            holder.bind(("127.0.0.1", port))
        except OSError:
            holder.close()
            continue
        # Only now: had it been set before, two holders could get the same port.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _held.append(holder)
        return port


def listens(port: int) -> bool:
    """Whether anything accepts connections at a port of 127.0.0.1."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def installed(program: str) -> str:
    """Where a program is, those for root included; a test that needs another one is skipped."""
    found = which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if found is None:
        raise SkipTest(f"{program} is not installed")
    return found
