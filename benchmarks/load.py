"""A server under the load of ``wrk``: requests a second, and the processor time that each of them takes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.process import Process, free_port, listens

SCRIPT = Path(__file__).with_name("load.lua")
CONNECTIONS = 32
SECONDS = 2

TWISTD = [str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile="]


class Server(Process):
    """A process that listens at a port of its own, and what it costs."""

    def __init__(self, command: Sequence[str], port: int, log: Path) -> None:
        super().__init__(command, log)
        self.url = f"http://127.0.0.1:{port}"
        self.wait_until(lambda: listens(port))

    @property
    def processor_seconds(self) -> float:
        """What it and its workers have computed, for themselves and within the kernel."""
        workers = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return sum(map(_processor_seconds, [self.pid, *workers]))

    @property
    def mebibytes(self) -> float:
        """Its resident memory."""
        return int(Path(f"/proc/{self.pid}/status").read_text().partition("VmRSS:")[2].split()[0]) / 1024


def _processor_seconds(pid: int | str) -> float:
    # The command, in brackets, may have spaces; after it utime and stime are the 12th and 13th field (proc(5)).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def bare(folder: Path) -> Iterator[Server]:
    """The measure of all: see :mod:`benchmarks.bare`."""
    port = free_port()
    server = Server([sys.executable, "-m", "benchmarks.bare", f"tcp:{port}:interface=127.0.0.1"], port, folder / "bare")
    yield server
    server.stop()


@dataclass(frozen=True)
class Requests:
    """What is sent, in turn."""

    method: str
    lines: Sequence[tuple[str, str]]
    """The path and the body of each."""
    token: str | None = None


@dataclass(frozen=True)
class Figures:
    rate: float
    """Requests a second."""
    processor: float
    """Microseconds for each request."""
    p50: float
    """Latency in ms."""
    p99: float


def measure(server: Server, requests: Requests) -> Figures:
    """Send requests over :data:`CONNECTIONS`, for :data:`SECONDS`."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.writelines(f"{path} {body}\n" for path, body in requests.lines)
        file.flush()
        load = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}", "-s", str(SCRIPT), server.url]
        before = server.processor_seconds
        output = subprocess.run(
            [*load, "--", requests.method, requests.token or "-", file.name], capture_output=True, text=True, check=True
        ).stdout
        spent = server.processor_seconds - before
    number, duration, p50, p99, failed = map(int, output.partition("FIGURES ")[2].split())
    if failed:
        raise SystemExit(f"{failed} of {number} requests failed, such as {requests.lines[0]}")
    return Figures(number / duration * 1e6, spent / number * 1e6, p50 / 1000, p99 / 1000)
