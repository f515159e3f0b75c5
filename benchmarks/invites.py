"""
A tick over many pending invites, with an SQL store that knows none, some or all of the addresses.

Each case runs in a process of its own, on the real storage and the real store, and prints what the tick cost: time,
queries to the SQL store, the longest time in which the reactor did nothing else, and memory.  On a busy machine that
time is also spent waiting for a processor: what the reactor's thread itself computed in it is printed beside it.
"""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react

from mxisd.clock import now
from mxisd.config.engine.section import Secret
from mxisd.config.sql import Identity, Sql
from mxisd.invites.lifecycle import InviteLifecycle
from mxisd.invites.resolution import Resolution
from mxisd.lookup.source import Source
from mxisd.matrix.threepid import ThreePid
from mxisd.storage.sqlite import SQLiteService
from mxisd.storage.sqlite.schema import open_connection, upgrade
from mxisd.stores.localpart import UserIds
from mxisd.stores.sql.build import sql_store

INVITES = 100_000
TICKS = 3
# In each tick all invites are due again.
INTERVAL = timedelta(milliseconds=100)
# Seconds.
HEARTBEAT = 0.001


def run(invites: int = INVITES) -> None:
    """All cases, one line a tick."""
    print(f"{invites} pending invites")
    print(
        f"{'known':>6} {'tick':>4} {'s':>7} {'queries':>7} {'pause ms':>8} {'computing':>9} {'peak MiB':>8}", flush=True
    )
    for percent in (0, 1, 100):
        subprocess.run([sys.executable, "-m", "benchmarks.invites", str(percent), str(invites)], check=True)


class Counting:
    """A source that counts what it is asked."""

    def __init__(self, source: Source) -> None:
        self.name, self.local = source.name, source.local
        self.questions = 0
        self._source = source

    async def lookup(self, threepids: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        self.questions += 1
        return await self._source.lookup(threepids)


class Heartbeat:
    """Measures how long the reactor was kept from what it should have done, and computed meanwhile."""

    def __init__(self, reactor: Any) -> None:
        self.longest = self.longest_computing = 0.0
        self._reactor = reactor
        self._last = time.perf_counter(), time.thread_time()
        self._beat()

    def _beat(self) -> None:
        last, last_computing = self._last
        self._last = current, computing = time.perf_counter(), time.thread_time()
        self.longest = max(self.longest, current - last - HEARTBEAT)
        self.longest_computing = max(self.longest_computing, computing - last_computing)
        self._reactor.callLater(HEARTBEAT, self._beat)


class Silent:
    """Nobody delivers anything here."""

    def wake(self) -> None: ...


def make_invites(path: Path, invites: int, created: int) -> None:
    """Invites as the server would have stored them, their messages sent."""
    upgrade(path)
    db = open_connection(path)
    db.execute("BEGIN")
    db.executemany(
        """INSERT INTO invites (token, medium, address, room_id, sender, created, ephemeral_public_key,
               ephemeral_private_key, fields, due, remote_due, remote_misses, notified_at)
           VALUES (?, 'email', ?, '!room:example.org', '@alice:example.org', ?, ?, 'private',
               '{"room_name":"Spring","sender_display_name":"Alice"}', ?, 0, 0, ?)""",
        ((f"token{n}", f"person{n}@example.com", created, f"key{n}", created, created) for n in range(invites)),
    )
    db.execute("COMMIT")
    db.close()


def make_users(path: Path, invites: int, percent: int) -> None:
    """The database of the SQL store: many people, and of those invited so many in a hundred."""
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE users (mxid TEXT, medium TEXT, address TEXT, PRIMARY KEY (medium, address)) WITHOUT ROWID")
    rows = [(f"@other{n}:example.org", "email", f"other{n}@example.com") for n in range(invites)]
    rows += [
        (f"@person{n}:example.org", "email", f"person{n}@example.com") for n in range(invites) if n % 100 < percent
    ]
    db.executemany("INSERT INTO users VALUES (?, ?, ?)", rows)
    db.commit()
    db.close()


async def measure(reactor: Any, folder: Path, percent: int, invites: int) -> None:
    created = now(reactor)
    make_invites(folder / "mxisd.db", invites, created)
    make_users(folder / "users.db", invites, percent)
    services = MultiService()
    path = folder / "mxisd.db"
    upgrade(path)
    engine = SQLiteService(path, reactor)
    engine.setServiceParent(services)
    identity = Identity(
        query="SELECT mxid AS uid FROM users WHERE medium = ? AND address = ?",
        bulk_query="SELECT mxid AS uid, address FROM users WHERE medium = ? AND address IN (?)",
    )
    config = Sql(enabled=True, connection=Secret(folder / "users.db"), identity=identity)
    store, threads = sql_store("sql", config, reactor, UserIds("example.org"), print)
    threads.setServiceParent(services)
    assert store.source is not None
    source = Counting(store.source)
    services.startService()
    storage = engine.storage
    lifecycle = InviteLifecycle(storage.invites, Silent(), reactor, "@expired:example.org")
    resolution = Resolution(
        storage.invites, storage.bindings, [source], lifecycle, reactor, INTERVAL, timedelta(days=7), lambda _: False
    )
    for tick in range(1, TICKS + 1):
        source.questions = 0
        heartbeat = Heartbeat(reactor)
        began = time.perf_counter()
        await resolution.tick()
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        pauses = f"{heartbeat.longest * 1000:>8.1f} {heartbeat.longest_computing * 1000:>9.1f}"
        print(f"{percent:>5}% {tick:>4} {seconds:>7.2f} {source.questions:>7} {pauses} {peak:>8.0f}", flush=True)
        await deferLater(reactor, INTERVAL.total_seconds())
    left = len(await storage.invites.page(ended=False, offset=0, limit=invites))
    ended = len(await storage.invites.page(ended=True, offset=0, limit=invites))
    assert (left, ended) == (invites - ended, invites * percent // 100), (left, ended)
    await services.stopService()


def main(reactor: Any, percent: str, invites: str) -> Deferred[None]:
    async def within_folder() -> None:
        with tempfile.TemporaryDirectory() as folder:
            await measure(reactor, Path(folder), int(percent), int(invites))

    return Deferred.fromCoroutine(within_folder())


if __name__ == "__main__":
    if len(sys.argv) == 3:
        react(main, sys.argv[1:])
    else:
        run()
