"""
Mixed traffic for a while, with faults switched on and off: ``python -m tests.soak 600``.

In the end nothing may have grown, neither memory nor descriptors nor threads, and no error be in the log that was not
expected.  Rate limits are off, since it is the work behind them that is watched.
"""

from __future__ import annotations

import random
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from getpass import getuser
from itertools import cycle
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from msgspec import json

from tests.integration.matrix_client import V1, V2
from tests.integration.mxisd import Mxisd
from tests.integration.process import Process, free_port, installed, listens

SENDERS = 6
# Seconds between looks at the process, and between one fault and the next.
LOOK, FAULT = 5.0, 20.0
# What may differ without growth: caches fill, memory is given back late, and the reactor has up to ten threads.
SLACK = {"memory": 0.10, "descriptors": 0.25, "threads": 0.25}


class Look(NamedTuple):
    memory: float
    descriptors: float
    threads: float


def look(pid: int) -> Look:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Look(int(status["VmRSS"].split()[0]) / 1024, descriptors, int(status["Threads"]))


class Traffic:
    """What clients send; whatever is answered is well, as long as it is an answer and none of an internal error."""

    def __init__(self, url: str, port: int) -> None:
        self._url = url
        self._port = port
        self._chosen = random.Random(1)
        self.sent = 0
        self.faults: list[str] = []

    def one(self) -> None:
        (kind,) = self._chosen.choices(list(KINDS), list(KINDS.values()))
        try:
            kind(self)
        except OSError as error:
            self.faults.append(f"{kind.__name__}: {error}")
        self.sent += 1

    def ask(self, path: str, body: object = None) -> None:
        data = None if body is None else json.encode(body)
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                answer.read()
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 500:
                    self.faults.append(f"{path}: {error.read()!r}")

    def address(self) -> str:
        return f"user{self._chosen.randrange(100_000)}@example.com"

    def lookup(self) -> None:
        self.ask(f"{V1}/lookup?medium=email&address={self.address()}")

    def bulk(self) -> None:
        self.ask(f"{V1}/bulk_lookup", {"threepids": [("email", self.address()) for _ in range(1000)]})

    def validate(self) -> None:
        asked = {"client_secret": "secret", "email": self.address(), "send_attempt": 1}
        self.ask(f"{V1}/validate/email/requestToken", asked)

    def invite(self) -> None:
        room = f"!{self._chosen.randrange(10**9)}:example.org"
        asked = {"medium": "email", "address": self.address(), "room_id": room, "sender": "@alice:example.org"}
        self.ask(f"{V1}/store-invite", asked)

    def register(self) -> None:
        self.ask(f"{V2}/account/register", {"access_token": "wrong", "matrix_server_name": "example.org"})

    def garbage(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as connection:
            connection.sendall(self._chosen.randbytes(200))

    def hang_up(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as connection:
            connection.sendall(b"POST /_matrix/identity/v2/lookup HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")


# Those that wait for other servers come seldom: they would keep all senders waiting.
KINDS: dict[Callable[[Traffic], None], int] = {
    Traffic.lookup: 30,
    Traffic.bulk: 6,
    Traffic.invite: 6,
    Traffic.garbage: 6,
    Traffic.hang_up: 6,
    Traffic.validate: 1,
    Traffic.register: 1,
}


def configuration(port: int, smtp: int, homeserver: int) -> dict[str, object]:
    server = {"name": "example.org", "value": f"http://127.0.0.1:{homeserver}"}
    connectors = {"smtp": {"host": "127.0.0.1", "port": smtp, "tls": 0}}
    return {
        "matrix": {"domain": "example.org"},
        "server": {"bind": [f"tcp:{port}:interface=127.0.0.1"]},
        "threepid": {"medium": {"email": {"identity": {"from": "mxisd@example.org"}, "connectors": connectors}}},
        "dns": {"overwrite": {"homeserver": {"federation": [server]}}},
        "lookup": {"recursive": {"enabled": False}},
        "rateLimit": {"enabled": False},
    }


class MailServer:
    """Takes every message, or stands still: in turns."""

    def __init__(self, port: int, folder: Path) -> None:
        command = [installed("smtp-sink"), "-u", getuser(), f"127.0.0.1:{port}", "1000"]
        self.process = Process(command, folder / "smtp-sink.log")
        self.process.wait_until(lambda: listens(port))
        self._paused = False

    def change(self) -> None:
        (self.process.resume if self._paused else self.process.pause)()
        self._paused = not self._paused


class Silence:
    """A homeserver that accepts connections and says nothing, or is not there: in turns."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def change(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        else:
            self._socket = socket.create_server(("127.0.0.1", self._port), backlog=1000)


def run(seconds: float) -> list[str]:
    """What is wrong after so much time."""
    with TemporaryDirectory(prefix="mxisd-soak-") as folder:
        port, smtp, homeserver = free_port(), free_port(), free_port()
        mxisd = Mxisd(Path(folder), port, configuration(port, smtp, homeserver))
        mail_server = MailServer(smtp, Path(folder))
        traffic = Traffic(mxisd.url, port)
        # In order, so that each third of the time has as much of each: while a mail server hangs, mails wait at it.
        turns: Iterator[MailServer | Silence] = cycle([mail_server, Silence(homeserver)])
        looks: list[Look] = []
        end, next_fault = time.monotonic() + seconds, time.monotonic()

        def send() -> None:
            while time.monotonic() < end:
                traffic.one()

        with ThreadPoolExecutor(SENDERS) as senders:
            sending = [senders.submit(send) for _ in range(SENDERS)]
            while time.monotonic() < end:
                if time.monotonic() >= next_fault:
                    next_fault += FAULT
                    next(turns).change()
                looks.append(look(mxisd.process.pid))
                time.sleep(LOOK)
            for each in sending:
                each.result()
        log = mxisd.log
        mxisd.stop()
        mail_server.process.kill()
    sys.stdout.write(f"{traffic.sent:,} requests; first {looks[0]}, last {looks[-1]}\n")
    return [*grown(looks), *traffic.faults[:10], *unexpected(log)]


def grown(looks: list[Look]) -> list[str]:
    """What is more in the last third of the time than in the second, when all has been done once."""
    third = len(looks) // 3
    found = []
    for name in Look._fields:
        before = median(getattr(each, name) for each in looks[third : 2 * third])
        after = median(getattr(each, name) for each in looks[2 * third :])
        if after > before * (1 + SLACK[name]):
            found.append(f"{name} has grown from {before:.1f} to {after:.1f}")
    return found


def unexpected(log: str) -> list[str]:
    return [line for line in log.splitlines() if "Unhandled" in line or "Traceback" in line or "reference" in line][:10]


if __name__ == "__main__":
    if problems := run(float(sys.argv[1]) if len(sys.argv) > 1 else 600.0):
        sys.exit("\n".join(problems))
