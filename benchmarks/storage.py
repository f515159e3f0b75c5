"""
What each method of the storage costs: calls a second on SQLite, PostgreSQL and Redis, and what Redis needs of memory.

On Redis once with ``appendfsync everysec``, its default, and once with ``always``, which promises what SQLite does
here: that what was acknowledged outlives a power cut.  Calls are made one after another, and 64 at once.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

from mxisd.clock import DAY
from mxisd.config.engine.section import Secret
from mxisd.config.storage import PostgreSQL as PostgreSQLSettings
from mxisd.config.storage import Redis as Settings
from mxisd.matrix.hashing import digest
from mxisd.matrix.threepid import ThreePid
from mxisd.storage.contract import Storage
from mxisd.storage.hashed import Portion
from mxisd.storage.postgresql import PostgreSQLService
from mxisd.storage.records import Binding, Invite, Pepper, Session
from mxisd.storage.redis import RedisService
from mxisd.storage.redis.client import Redis
from mxisd.storage.sqlite import SQLiteService
from mxisd.storage.sqlite.schema import upgrade
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import RedisServer

CALLS = 1000
AT_ONCE = 64
# What is there before, so that nothing is measured on empty tables.
STOCK = 10_000
# As many as give a reliable average.
ITEMS = 100_000
NOW = 1_700_000_000_000
PEPPER = "benchmark"
USER = "@person{}:example.org"
SIGNED = (
    '{{"address":"person{0}@example.com","medium":"email","mxid":"@person{0}:example.org","not_after":4102444800000,'
    '"not_before":1700000000000,"signatures":{{"example.org":{{"ed25519:0":"' + "x" * 86 + '"}}}},"ts":1700000000000}}'
)

Call = Callable[[int], Awaitable[object]]
number = count(STOCK)


def binding(n: int) -> Binding:
    address, signed = f"person{n}@example.com", SIGNED.format(n).encode()
    return Binding(threepid=ThreePid("email", address), user_id=USER.format(n), bound_at=NOW, signed=signed)


def session(n: int) -> Session:
    random = f"{n:043}"
    address = f"person{n}@example.com"
    return Session(sid=random, secret_digest=random, threepid=ThreePid("email", address), modified=NOW, send_attempt=1)


def invite(n: int) -> Invite:
    """As Synapse sends it."""
    address = f"invitee{n}@example.com"
    fields: dict[str, object] = {
        "medium": "email",
        "address": address,
        "room_id": "!abcdefghijklmnopqr:example.org",
        "sender": USER.format(n),
        "room_alias": "#room:example.org",
        "room_avatar_url": "",
        "room_join_rules": "invite",
        "room_name": "A room with a name",
        "room_type": "",
        "sender_display_name": "A Person",
        "sender_avatar_url": "mxc://example.org/abcdefghijklmnopqrstuvwx",
        "guest_access_token": "x" * 40,
        "guest_user_id": "@guest:example.org",
    }
    return Invite(
        token=f"{n:043}",
        threepid=ThreePid("email", address),
        room_id="!abcdefghijklmnopqr:example.org",
        sender=USER.format(n),
        created=NOW,
        due=NOW,
        notified_at=NOW,
        ephemeral_public_key=f"{n:043}",
        ephemeral_private_key=f"{n:043}",
        fields=fields,
    )


def calls(storage: Storage) -> dict[str, Call]:
    """Each method as it is called most often; what it needs is in the stock."""
    sessions, bindings, hashes = storage.sessions, storage.bindings, storage.hashes
    invites, outbox, accounts = storage.invites, storage.outbox, storage.accounts

    def threepids(n: int) -> list[ThreePid]:
        return [binding((n * 100 + each) % (2 * STOCK)).threepid for each in range(100)]

    async def claim_and_close(_: int) -> None:
        for claimed in (await outbox.claim("message", NOW, DAY, 1, {}, 1_000_000)).deliveries:
            await outbox.close(claimed, "done", "250 OK", NOW)

    return {
        "sessions.open": lambda _: sessions.open(session(next(number)), alive_since=0, max_guesses=5),
        "sessions.get": lambda n: sessions.get(session(n).sid),
        "sessions.add_token": lambda n: sessions.add_token(session(n).sid, None, "digest"),
        "sessions.sent": lambda n: sessions.sent(session(n).sid, 2),
        "sessions.take_guess": lambda n: sessions.take_guess(session(n).sid),
        "sessions.validate": lambda n: sessions.validate(session(n).sid, NOW),
        "bindings.bind": lambda _: bindings.bind(binding(next(number)), "example.org"),
        "bindings.get": lambda n: bindings.get(binding(n).threepid),
        "bindings.users_of, 100": lambda n: bindings.users_of(threepids(n)),
        "bindings.unbind": lambda n: bindings.unbind(binding(STOCK // 2 + n).threepid, USER.format(STOCK // 2 + n)),
        "hashes.peppers": lambda _: hashes.peppers(),
        "hashes.find, 100": lambda n: hashes.find(PEPPER, [digest(each, PEPPER) for each in threepids(n)]),
        "invites.add": lambda _: invites.add(invite(next(number)), resend_before=0),
        "invites.get": lambda n: invites.get(invite(n).token),
        "invites.pending": lambda n: invites.pending(invite(n).threepid),
        "invites.has_ephemeral_key": lambda n: invites.has_ephemeral_key(invite(n).ephemeral_public_key),
        "invites.claim_due, 100": lambda n: invites.claim_due(NOW + n, NOW + n, 100),
        "invites.end": lambda n: invites.end(invite(n).token, "resolved", USER.format(n), "example.org", NOW),
        "outbox.claim + close": claim_and_close,
        "outbox.claim, nothing due": lambda _: outbox.claim("onbind", 0, DAY, 1, {}, 1),
        "outbox.of_invite": lambda n: outbox.of_invite(invite(n).token),
        "accounts.register": lambda _: accounts.register(f"{next(number):064}", USER, NOW),
        "accounts.account_of": lambda n: accounts.account_of(f"{n:064}"),
        "transactions.done": lambda _: storage.transactions.done(f"{next(number)}", "digest", NOW),
        "cooldowns.take": lambda _: storage.cooldowns.take(f"{next(number)}", NOW, 1),
    }


async def at_once(call: Call, numbers: Sequence[int]) -> None:
    """Make calls, 64 of them under way at any time."""
    waiting = iter(numbers)

    async def some() -> None:
        for n in waiting:
            await call(n)

    await gatherResults([Deferred.fromCoroutine(some()) for _ in range(AT_ONCE)])


async def fill(storage: Storage, items: int) -> None:
    await storage.hashes.prepare(Pepper(pepper=PEPPER, made_at=NOW), after=None)
    await storage.hashes.publish(PEPPER, keep=2)
    await at_once(lambda n: storage.bindings.bind(binding(n), "example.org"), range(items))
    await at_once(lambda n: storage.sessions.open(session(n), alive_since=0, max_guesses=5), range(items))
    await at_once(lambda n: storage.invites.add(invite(n), resend_before=0), range(items))
    await at_once(lambda n: storage.accounts.register(f"{n:064}", USER.format(n), NOW), range(items))


async def measure(storage: Storage) -> dict[str, tuple[float, float]]:
    """Calls a second of each method, one after another and many at once."""
    await fill(storage, STOCK)
    found = {}
    for name, call in calls(storage).items():
        start = time.perf_counter()
        for n in range(CALLS):
            await call(n)
        middle = time.perf_counter()
        await at_once(call, range(CALLS, 2 * CALLS))
        found[name] = CALLS / (middle - start), CALLS / (time.perf_counter() - middle)
    return found


async def on_sqlite(reactor: Any) -> dict[str, tuple[float, float]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mxisd.db"
        upgrade(path)
        service = SQLiteService(path, reactor)
        service.startService()
        try:
            return await measure(service.storage)
        finally:
            await service.stopService()


async def on_postgresql(reactor: Any) -> dict[str, tuple[float, float]]:
    server = PostgreSQL(fsync="on")
    database = Secret(f"//postgres@127.0.0.1:{server.port}/postgres")
    service = PostgreSQLService(PostgreSQLSettings(database=database, timeout=timedelta(seconds=60)), reactor)
    service.startService()
    try:
        return await measure(service.storage)
    finally:
        await service.stopService()
        server.process.stop()


async def on_redis(reactor: Any, work: Callable[[Storage, RedisServer], Awaitable[Any]], **settings: str) -> Any:
    server = RedisServer(**settings)
    service = RedisService(Settings(url=Secret(server.url), timeout=timedelta(seconds=60)), reactor, DAY)
    service.startService()
    try:
        return await work(service.storage, server)
    finally:
        await service.stopService()
        server.remove()


async def round_trips(storage: Storage, _: RedisServer) -> dict[str, int]:
    """How many commands each call sends, once scripts and peppers are known."""
    await fill(storage, 2 * AT_ONCE)
    sent = count()
    send = Redis.command
    found = {}

    def counted(redis: Redis, *arguments: Any) -> Any:
        next(sent)
        return send(redis, *arguments)

    Redis.command = counted  # type: ignore[method-assign]
    for name, call in calls(storage).items():
        await call(0)
        before = next(sent)
        await call(1)
        found[name] = next(sent) - before - 1
    Redis.command = send  # type: ignore[method-assign]
    return found


async def speed(reactor: Any) -> None:
    sqlite, postgresql = await on_sqlite(reactor), await on_postgresql(reactor)
    everysec = await on_redis(reactor, lambda storage, _: measure(storage), appendonly="yes")
    always = await on_redis(reactor, lambda storage, _: measure(storage), appendonly="yes", appendfsync="always")
    sent = await on_redis(reactor, round_trips)
    print(
        "\nCalls a second, one after another and 64 at once; commands sent to Redis for each; PostgreSQL and Redis with"
    )
    print("everysec to SQLite, 64 at once")
    titles = " ".join(f"{title:>15}" for title in ("SQLite", "PostgreSQL", "Redis everysec", "Redis always"))
    print(f"{'':<26} {titles} {'sent':>4} {'ratios':>13}")
    for name, (one, many) in sqlite.items():
        figures = ((one, many), postgresql[name], everysec[name], always[name])
        columns = " ".join(f"{a:>7.0f}{b:>8.0f}" for a, b in figures)
        ratios = f"{postgresql[name][1] / many:>6.2f} {everysec[name][1] / many:>6.2f}"
        print(f"{name:<26} {columns} {sent[name]:>4} {ratios}")


async def sizes(storage: Storage, server: RedisServer) -> None:
    """Bytes of Redis' memory for each item of a kind."""

    async def listing() -> AsyncIterator[Portion]:
        for first in range(0, ITEMS, 1000):
            yield [((f"{n:043}",), USER.format(n)) for n in range(first, first + 1000)]

    async def grow(what: str, work: Awaitable[object]) -> None:
        before = _memory(server)
        await work
        print(f"{what:<40} {(_memory(server) - before) / ITEMS:>6.0f}")

    await storage.sessions.get("")
    everyone = range(ITEMS)
    await grow("session", at_once(lambda n: storage.sessions.open(session(n), alive_since=0, max_guesses=5), everyone))
    await grow("binding, with its notice queued", at_once(lambda n: storage.bindings.bind(binding(n), "b"), everyone))
    await grow("  the notice gone", at_once(lambda _: _deliver(storage), range(ITEMS // 1000)))
    await grow("  its hash, under each pepper", storage.hashes.prepare(Pepper(pepper=PEPPER, made_at=NOW), after=None))
    await storage.hashes.publish(PEPPER, keep=2)
    await storage.hashes.arrange(["store"])
    await grow("hash of an address that a store lists", storage.hashes.replace("store", [PEPPER], listing()))
    await grow("pending invite, with its message", at_once(lambda n: _invite(storage, n), everyone))
    await grow("  ended, with its onbind", at_once(lambda n: _end(storage, n), everyone))
    await grow("access token", at_once(lambda n: storage.accounts.register(f"{n:064}", USER.format(n), NOW), everyone))


def _memory(server: RedisServer) -> int:
    info = server.ask("INFO", "memory")
    return int(info.partition("used_memory:")[2].split()[0])


def _invite(storage: Storage, n: int) -> Awaitable[object]:
    return storage.invites.add(invite(n), resend_before=0)


def _end(storage: Storage, n: int) -> Awaitable[object]:
    return storage.invites.end(invite(n).token, "resolved", USER.format(n), "example.org", NOW)


async def _deliver(storage: Storage) -> None:
    for claimed in (await storage.outbox.claim("onbind", NOW, DAY, 1000, {}, 1_000_000)).deliveries:
        await storage.outbox.close(claimed, "done", "200", NOW)


async def memory(reactor: Any) -> None:
    print("\nBytes of Redis' memory for each")
    await on_redis(reactor, sizes)
    print("\nThe same with 'hash-max-listpack-value 1024'")
    await on_redis(reactor, sizes, hash_max_listpack_value="1024")


def run() -> None:
    """All of it, in a process of its own, since a reactor runs only once."""
    subprocess.run([sys.executable, "-m", "benchmarks.storage"], check=True)


async def main(reactor: Any) -> None:
    await speed(reactor)
    await memory(reactor)


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
