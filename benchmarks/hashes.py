"""
Hashing all users anew: how long it takes, and how long the reactor stands still meanwhile.

The aims are for a million users: 6 seconds, and no pause of more than 30 ms.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, react
from twisted.internet.threads import deferToThreadPool

from mxisd.clock import DAY
from mxisd.config.engine.section import Secret
from mxisd.config.storage import Redis as Settings
from mxisd.lookup.index import HashIndex
from mxisd.lookup.source import Batch
from mxisd.matrix.hashing import digest
from mxisd.matrix.threepid import ThreePid
from mxisd.storage.contract import Storage
from mxisd.storage.hashed import HashStorage
from mxisd.storage.records import Pepper
from mxisd.storage.redis import RedisService
from mxisd.storage.sqlite import SQLiteService
from mxisd.storage.sqlite.schema import open_connection, upgrade
from tests.servers.redis import RedisServer

AIM_SECONDS, AIM_PAUSE = 6.0, 30.0
BATCH = 5000


def person(number: int) -> tuple[ThreePid, str]:
    return ThreePid("email", f"person{number}@example.com"), f"@person{number}:example.org"


class People:
    """An identity store that lists so many users, and has them at hand: it is not what is measured."""

    def __init__(self, number: int) -> None:
        self._batches = [
            [person(n) for n in range(first, min(first + BATCH, number))] for first in range(0, number, BATCH)
        ]

    async def batches(self) -> AsyncIterator[Batch]:
        for batch in self._batches:
            yield batch


class Pulse:
    """Beats every millisecond, and knows the longest time between two beats, in ms."""

    def __init__(self, reactor: Any) -> None:
        self._loop = LoopingCall(self._beat)
        self._loop.clock = reactor
        self._last = 0.0
        self.longest = 0.0

    def _beat(self) -> None:
        now = time.perf_counter()
        self.longest = max(self.longest, (now - self._last) * 1000)
        self._last = now

    async def during(self, work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
        """How many seconds some work takes, and the longest pause within it."""
        start = self._last = time.perf_counter()
        self.longest = 0.0
        beating = self._loop.start(0.001)
        await work()
        self._beat()
        self._loop.stop()
        await beating
        return time.perf_counter() - start, self.longest


def fill_bindings(path: Path, number: int) -> None:
    db = open_connection(path)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    people = map(person, range(number))
    signed = b"x" * 450  # about as long as a signed association
    db.executemany(
        "INSERT INTO bindings VALUES (?, ?, ?, 0, ?)", ((*threepid, user_id, signed) for threepid, user_id in people)
    )
    db.execute("COMMIT")
    db.close()


async def measure_store(reactor: Any, what: str, storage: Storage, number: int) -> None:
    """Have a store listed for the first time, once more, and under a new pepper."""
    in_thread = partial(deferToThreadPool, reactor, reactor.getThreadPool())
    hashes, cooldowns, pulse = storage.hashes, storage.cooldowns, Pulse(reactor)

    people = People(number)
    # As the server does at its start: else the collector would look through all of these again and again.
    gc.collect()
    gc.freeze()

    def index(rotation: timedelta | None) -> HashIndex:
        return HashIndex(
            hashes,
            cooldowns,
            [("people", people)],
            in_thread,
            reactor,
            os.urandom,
            20,
            timedelta(minutes=10),
            rotation,
        )

    report(f"{what}: a store, listed first", await pulse.during(index(None).refresh))
    report(f"{what}: the same, once more", await pulse.during(index(None).refresh))
    report(f"{what}: the same, under a new pepper", await pulse.during(index(timedelta(0)).refresh))
    await check(hashes, number)


async def measure_bindings(reactor: Any, what: str, storage: Storage, number: int) -> None:
    report(f"{what}: bindings, under a new pepper", await Pulse(reactor).during(partial(rotate, storage.hashes)))
    await check(storage.hashes, number)


async def main(reactor: Any, number: int) -> None:
    print(f"{f'{number:,} users':40}{'seconds':>9}{'aim':>5}{'pause ms':>10}{'aim':>5}")
    for filled, measure in ((False, measure_store), (True, measure_bindings)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "mxisd.db"
            upgrade(path)
            sqlite = SQLiteService(path, reactor)
            if filled:
                fill_bindings(path, number)
            sqlite.startService()
            await measure(reactor, "SQLite", sqlite.storage, number)
            await sqlite.stopService()
    server = RedisServer()
    redis = RedisService(Settings(url=Secret(server.url), timeout=timedelta(seconds=10)), reactor, remember=DAY)
    redis.startService()
    await measure_store(reactor, "Redis", redis.storage, number)
    await redis.stopService()
    server.remove()


async def rotate(hashes: HashStorage) -> None:
    await hashes.prepare(Pepper(pepper="pepper", made_at=0), after=None)
    await hashes.publish("pepper", keep=2)


async def check(hashes: HashStorage, number: int) -> None:
    """That the work was done."""
    pepper = (await hashes.peppers())[0].pepper
    some = {
        digest(threepid, pepper): user_id for threepid, user_id in map(person, range(0, number, max(1, number // 1000)))
    }
    if await hashes.find(pepper, list(some)) != some:
        raise SystemExit("the index is wrong")


def report(what: str, measured: tuple[float, float]) -> None:
    seconds, pause = measured
    print(f"{what:40}{seconds:9.2f}{AIM_SECONDS:5.0f}{pause:10.1f}{AIM_PAUSE:5.0f}", flush=True)


def run(number: int = 1_000_000) -> None:
    react(lambda reactor: Deferred.fromCoroutine(main(reactor, number)))


if __name__ == "__main__":
    run(*map(int, sys.argv[1:]))
