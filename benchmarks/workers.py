"""
Processes on one Redis: requests a second with one worker and with two, in turns, and commands sent for each request.

``wrk`` and Redis want processors too: two workers show what they can only where there are more than two.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from threading import Thread
from urllib.request import Request, urlopen

from benchmarks.identity import PEPPER, ROUNDS, TOKEN, V2, Case, address, cases, measure, running
from mxisd.accounts.accounts import digest as token_digest
from mxisd.matrix.hashing import digest
from mxisd.matrix.threepid import ThreePid
from tests.servers.redis import RedisServer

BINDINGS = 10_000
SERVERS = {1: "http://127.0.0.1:18101", 2: "http://127.0.0.1:18102"}
# Requests over which commands are counted: what timers send in between is less than a tenth of one.
COUNTED = 100


def fill(redis: RedisServer) -> None:
    """What the server would have written for people who have bound their addresses."""
    signed = json.dumps({"signatures": {"example.org": {"ed25519:0": "A" * 86}}, "address": "x" * 100})
    for first in range(0, BINDINGS, 1000):
        some = [(address(n), f"@person{n}:example.org") for n in range(first, first + 1000)]
        bindings = [text for who, user_id in some for text in (f"email {who}", f"{user_id} 0 {signed}")]
        hashes = [text for who, user_id in some for text in (digest(ThreePid("email", who), PEPPER), user_id)]
        redis.ask("HSET", "mxisd:bindings", *bindings)
        redis.ask("HSET", f"mxisd:hashes:{PEPPER}", *hashes)
    redis.ask("RPUSH", "mxisd:peppers", f"{int(time.time() * 1000)} {PEPPER}")
    redis.ask("HSET", "mxisd:tokens", token_digest(TOKEN), "0 @person0:example.org")


@contextmanager
def monitored(redis: RedisServer) -> Iterator[list[bytes]]:
    """The commands that clients send meanwhile; those that scripts call are not among them."""
    sent: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(redis.socket))
        connection.sendall(b"MONITOR\r\n")
        lines = connection.makefile("rb")
        lines.readline()
        reader = Thread(target=lambda: sent.extend(line for line in lines if b" lua] " not in line))
        reader.start()
        yield sent
        time.sleep(0.2)
        connection.shutdown(socket.SHUT_RDWR)
        reader.join()


def commands_sent(redis: RedisServer, case: Case, url: str) -> float:
    """Commands for each request."""
    headers = {"Authorization": f"Bearer {TOKEN}"} if "v2" in case.name else {}
    with monitored(redis) as sent:
        for path, body in (case.requests * COUNTED)[-COUNTED:]:
            urlopen(Request(url + path, body.encode() or None, headers, method=case.method)).read()
    return len(sent) / COUNTED


def configuration(folder: Path, number: int, redis: RedisServer) -> Path:
    path = folder / f"{number}.yaml"
    port = SERVERS[number].rpartition(":")[2]
    path.write_text(
        json.dumps(
            {
                "matrix": {"domain": "example.org"},
                "server": {"bind": [f"tcp:{port}:interface=127.0.0.1:backlog=1024"]},
                "storage": {"backend": "redis", "provider": {"redis": {"url": redis.url}}},
                "threepid": {"medium": {"email": {"connector": "none"}}},
                "lookup": {"recursive": {"federation": {"enabled": False}}},
            }
        )
    )
    return path


def run() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = RedisServer(appendonly="yes")
        stack.callback(redis.remove)
        fill(redis)
        for number, url in SERVERS.items():
            twistd = [
                str(Path(sys.executable).with_name("twistd")),
                "-n",
                "--pidfile=",
                "-l",
                str(folder / f"{number}"),
            ]
            config = ["--config", str(configuration(folder, number, redis))]
            stack.enter_context(running([*twistd, "mxisd", "--workers", str(number), *config], f"{url}{V2}"))
        time.sleep(3)  # the second worker
        print(f"\nRedis, {BINDINGS:,} bindings, {os.cpu_count()} processors")
        print(f"{'':26}{'commands':>9}{'1 worker/s':>12}{'2 workers/s':>13}{'ratio':>7}")
        for case in cases(BINDINGS):
            print(row(case, redis, folder), flush=True)


def row(case: Case, redis: RedisServer, folder: Path) -> str:
    sent = commands_sent(redis, case, SERVERS[1])
    rounds = [[measure(url, case, None, folder)[0] for url in SERVERS.values()] for _ in range(ROUNDS)]
    one, two = median(one for one, _ in rounds), median(two for _, two in rounds)
    return f"{case.name:26}{sent:9.1f}{one:12,.0f}{two:13,.0f}{median(two / one for one, two in rounds):7.2f}"


if __name__ == "__main__":
    run()
