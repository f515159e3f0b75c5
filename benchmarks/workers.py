"""
Processes on one Redis: requests a second with one worker and with two, in turns, and commands sent for each request.

``wrk`` and Redis want processors too: two workers show what they can only where there are more than two.  Beside the
rate stands what a request takes of the processors, of all workers together: where the second one is not twice as fast
but each request costs the same, it is the processors that are missing.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from threading import Thread
from urllib.request import Request, urlopen

from benchmarks.identity import PEPPER, ROUNDS, TOKEN, Case, address, cases
from benchmarks.load import TWISTD, Server, measure
from mxisd.accounts.accounts import digest as token_digest
from mxisd.matrix.hashing import digest
from mxisd.matrix.threepid import ThreePid
from tests.integration.process import free_port
from tests.servers.redis import RedisServer

BINDINGS = 10_000
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
    now = int(time.time() * 1000)
    redis.ask("RPUSH", "mxisd:peppers", f"{now} {PEPPER}")
    redis.ask("HSET", "mxisd:tokens", token_digest(TOKEN), f"{now} @person0:example.org")


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


def commands_sent(redis: RedisServer, case: Case, server: Server) -> float:
    """Commands for each request."""
    requests = case.requests
    headers = {"Authorization": f"Bearer {requests.token}"} if requests.token else {}
    with monitored(redis) as sent:
        for path, body in (list(requests.lines) * COUNTED)[-COUNTED:]:
            urlopen(Request(server.url + path, body.encode() or None, headers, method=requests.method)).read()
    return len(sent) / COUNTED


def mxisd(folder: Path, workers: int, redis: RedisServer) -> Server:
    port, path = free_port(), folder / f"{workers}.yaml"
    path.write_text(
        json.dumps(
            {
                "matrix": {"domain": "example.org"},
                "server": {"bind": [f"tcp:{port}:interface=127.0.0.1:backlog=1024"]},
                "storage": {"backend": "redis", "provider": {"redis": {"url": redis.url}}},
                "threepid": {"medium": {"email": {"connector": "none"}}},
                "rateLimit": {"enabled": False},
                "lookup": {"recursive": {"federation": {"enabled": False}}},
            }
        )
    )
    command = [*TWISTD, "mxisd", "--workers", str(workers), "--config", str(path)]
    return Server(command, port, folder / f"{workers}.log")


def run() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = RedisServer(appendonly="yes")
        stack.callback(redis.remove)
        fill(redis)
        servers = mxisd(folder, 1, redis), mxisd(folder, 2, redis)
        for server in servers:
            stack.callback(server.stop)
        time.sleep(3)  # the second worker
        print(f"\nRedis, {BINDINGS:,} bindings, {os.cpu_count()} processors")
        print(f"{'':28}{'commands':>9}{'1 worker/s':>12}{'µs':>6}{'2 workers/s':>13}{'µs':>6}{'ratio':>7}")
        for case in cases(BINDINGS):
            print(row(case, redis, *servers), flush=True)


def row(case: Case, redis: RedisServer, one: Server, two: Server) -> str:
    sent = commands_sent(redis, case, one)
    rounds = [(measure(one, case.requests), measure(two, case.requests)) for _ in range(ROUNDS)]
    rates = [median(figures[n].rate for figures in rounds) for n in (0, 1)]
    processor = [median(figures[n].processor for figures in rounds) for n in (0, 1)]
    ratio = median(two.rate / one.rate for one, two in rounds)
    return (
        f"{case.name:28}{sent:9.1f}{rates[0]:12,.0f}{processor[0]:6.0f}{rates[1]:13,.0f}{processor[1]:6.0f}{ratio:7.2f}"
    )


if __name__ == "__main__":
    run()
