"""Connections to Redis: all that can be wrong with a server that is somewhere else, on real ones."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.protocols.portforward import ProxyFactory, ProxyServer
from twisted.trial.unittest import TestCase

from mxisd.clock import milliseconds
from mxisd.config.engine.section import Secret
from mxisd.config.storage import Redis as Settings
from mxisd.config.storage import Sentinel
from mxisd.net.hosts import HostPort
from mxisd.storage.contract import StorageUnavailable
from mxisd.storage.redis import RedisStorage
from mxisd.storage.redis.client import Redis
from mxisd.storage.redis.servers import server
from tests.integration.process import free_port
from tests.make import EMAIL, NOW, binding, invite
from tests.net.servers import Authority
from tests.servers.redis import RedisServer
from tests.servers.redis import Sentinel as SentinelServer
from tests.storage.contract import together

REACTOR: Any = reactor
REMEMBER = 3_600_000
# Long enough for a busy machine to answer in.
TIMEOUT = timedelta(seconds=5)


class Case(TestCase):
    """Makes clients, and stops them in the end."""

    def client(self, url: str, **settings: Any) -> Redis:
        """A client that has been started."""
        defaults: dict[str, Any] = {"timeout": TIMEOUT, "pool_size": 4}
        chosen = Settings(url=Secret(url), **defaults | settings)
        redis = Redis(server(chosen, REACTOR), REACTOR, chosen.pool_size, chosen.timeout, chosen.prefix)
        redis.startService()
        self.addCleanup(redis.stopService)
        return redis

    def redis_server(self, **settings: str) -> RedisServer:
        started = RedisServer(**settings)
        self.addCleanup(started.remove)
        return started

    async def unavailable(self, call: Awaitable[object]) -> str:
        """Why a call fails."""
        with self.assertRaises(StorageUnavailable) as caught:
            await call
        return str(caught.exception)

    async def becomes_unavailable(self, redis: Redis, reason: str) -> None:
        """Wait until calls fail for a reason."""
        await self.until(lambda: self.fails_for(redis, reason))

    async def fails_for(self, redis: Redis, reason: str) -> bool:
        try:
            await redis.command("SET", "x", "y")
        except StorageUnavailable as error:
            return reason in str(error)
        return False

    async def becomes_available(self, redis: Redis) -> None:
        async def works() -> bool:
            try:
                return bool(await redis.command("SET", "x", "y") == b"OK")
            except StorageUnavailable:
                return False

        await self.until(works)

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + 60
        while not await condition():
            self.assertLess(time.monotonic(), deadline)
            await deferLater(REACTOR, 0.02)


class AnswerTests(Case):
    """What comes back."""

    async def test_what_looks_like_a_number_stays_as_it_is(self) -> None:
        redis = self.client(self.redis_server().url)
        for text in ("0049151000000", "+14155550100", "1.10", "-0", "1e5", ""):
            await redis.command("SET", "key", text)
            self.assertEqual(await redis.command("GET", "key"), text.encode())

    async def test_what_is_no_text_comes_back_byte_by_byte(self) -> None:
        redis = self.client(self.redis_server().url)
        await redis.command("SET", "key", bytes(range(256)))
        self.assertEqual(await redis.command("GET", "key"), bytes(range(256)))
        self.assertIsNone(await redis.command("GET", "none"))

    async def test_answers_at_once_find_their_calls(self) -> None:
        redis = self.client(self.redis_server().url, timeout=timedelta(seconds=30))
        answers = await together(*(redis.command("ECHO", f"{number}") for number in range(1000)))
        self.assertEqual(answers, [f"{number}".encode() for number in range(1000)])

    async def test_a_script_is_sent_again_when_the_server_has_forgotten_it(self) -> None:
        started = self.redis_server()
        redis = self.client(started.url)
        self.assertEqual(await redis.run("cooldown_take", "a", NOW, 1), 1)
        started.ask("SCRIPT", "FLUSH")
        results = await together(*(redis.run("cooldown_take", f"{number}", NOW, 1) for number in range(10)))
        self.assertEqual(results, [1] * 10)

    async def test_mistakes_of_ours_are_not_taken_for_unavailability(self) -> None:
        redis = self.client(self.redis_server().url)
        with self.assertRaisesRegex(Exception, "wrong number of arguments") as caught:
            await redis.command("GET")
        self.assertNotIsInstance(caught.exception, StorageUnavailable)


class AddressTests(Case):
    """Where a server is, and as whom to log in."""

    async def test_a_user_a_password_and_a_database(self) -> None:
        port = free_port()
        started = self.redis_server(port=f"{port}")
        started.ask("ACL", "SETUSER", "mxisd", "on", ">p@ss:word/", "~mxisd:*", "+@all", "-@dangerous", "-@admin")
        started.ask("ACL", "SETUSER", "default", "off")
        for settings in (
            {"url": f"redis://mxisd:p%40ss%3Aword%2F@127.0.0.1:{port}/3"},
            {"url": f"redis://127.0.0.1:{port}/3", "username": "mxisd", "password": Secret("p@ss:word/")},
            {"url": f"{started.url}?db=3", "username": "mxisd", "password": Secret("p@ss:word/")},
        ):
            redis = self.client(**settings)
            await redis.command("SET", "mxisd:a", "b")
            self.assertIn(b" db=3 ", await redis.command("CLIENT", "INFO"))
        reason = await self.unavailable(redis.command("SET", "other", "b"))
        self.assertIn("NOPERM", reason)
        self.assertNotIn("p@ss", reason)

    async def test_a_password_that_becomes_right(self) -> None:
        started = self.redis_server()
        started.ask("CONFIG", "SET", "requirepass", "right")
        redis = self.client(started.url, password=Secret("wrong"))
        self.assertIn("WRONGPASS", await self.unavailable(redis.command("GET", "x")))
        started.ask("AUTH", "right")
        other = self.client(started.url, password=Secret("right"))
        await other.command("CONFIG", "SET", "requirepass", "wrong")
        await self.becomes_available(redis)

    async def test_certificates_are_verified(self) -> None:
        port, ours, theirs = free_port(), self.authority(), self.authority()
        self.redis_server(**self.tls(ours, port))
        good = self.client(f"rediss://localhost:{port}", ca_file=Path(ours.path))
        self.assertEqual(await good.command("PING"), b"PONG")
        for url, ca_file in (
            (f"rediss://localhost:{port}", Path(theirs.path)),
            (f"rediss://localhost:{port}", None),
            (f"rediss://127.0.0.1:{port}", Path(ours.path)),
        ):
            reason = await self.unavailable(self.client(url, ca_file=ca_file).command("PING"))
            self.assertRegex(reason, "certificate verify failed|VerificationError|no appropriate")

    async def test_sentinels_and_servers_with_certificates(self) -> None:
        authority, port, sentinel_port = self.authority(), free_port(), free_port()
        self.redis_server(**self.tls(authority, port))
        settings = self.tls(authority, sentinel_port) | {"tls_replication": "yes"}
        sentinel = SentinelServer(0, port, "localhost", quorum=1, **settings)
        self.addCleanup(sentinel.remove)
        named = Sentinel(servers=(HostPort("localhost", sentinel_port),), service="ours")
        redis = self.client("rediss://redis", sentinel=named, ca_file=Path(authority.path))
        self.assertEqual(await redis.command("PING"), b"PONG")
        reason = await self.unavailable(self.client("rediss://redis", sentinel=named).command("PING"))
        self.assertIn("certificate verify failed", reason)

    def authority(self) -> Authority:
        return Authority(Path(self.mktemp()).absolute())

    def tls(self, authority: Authority, port: int) -> dict[str, str]:
        """Settings to speak TLS at a port of localhost."""
        pem = str(self.file(authority.pem("localhost")))
        certificates = {"tls_cert_file": pem, "tls_key_file": pem, "tls_ca_cert_file": authority.path}
        return {"tls_port": f"{port}", "tls_auth_clients": "no", **certificates}

    async def test_what_is_no_redis(self) -> None:
        class Greeter(Protocol):
            def connectionMade(self) -> None:
                self.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")  # type: ignore[union-attr]

        reason = await self.unavailable(self.client(self.listen(Factory.forProtocol(Greeter))).command("PING"))
        self.assertIn("Protocol error", reason)

    async def test_what_closes_connections_at_once(self) -> None:
        """As a proxy does while there is nothing behind it.  A password and a database once stopped a pool for good."""
        port = free_port()
        self.redis_server(port=f"{port}", requirepass="x")

        class Shut(Protocol):
            def connectionMade(self) -> None:
                self.transport.loseConnection()  # type: ignore[union-attr]

        gate: Any = ProxyFactory("127.0.0.1", port)
        gate.noisy = False
        gate.protocol = Shut
        redis = self.client(f"{self.listen(gate)}/1", password=Secret("x"))
        self.assertIn("closes connections at once", await self.unavailable(redis.command("PING")))
        gate.protocol = ProxyServer
        await self.becomes_available(redis)

    def file(self, content: bytes) -> Path:
        path = Path(self.mktemp()).absolute()
        path.write_bytes(content)
        return path

    def listen(self, factory: Factory) -> str:
        port = REACTOR.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return f"redis://127.0.0.1:{port.getHost().port}"


class InterruptionTests(Case):
    """Redis goes away and comes back."""

    async def test_a_start_without_redis_waits_for_it(self) -> None:
        started = self.redis_server()
        started.kill()
        redis = self.client(started.url)
        ready = Deferred.fromCoroutine(redis.ready())
        reason = await self.unavailable(redis.command("GET", "x"))
        self.assertIn(str(started.socket), reason)
        self.assertFalse(ready.called)
        started.start()
        await ready
        self.assertIsNone(await redis.command("GET", "x"))

    async def test_while_redis_is_away_calls_fail_at_once(self) -> None:
        started = self.redis_server()
        redis = self.client(started.url, timeout=timedelta(seconds=60))
        await redis.ready()
        started.kill()
        await self.becomes_unavailable(redis, "is away")
        for _ in range(1000):
            await self.unavailable(redis.command("GET", "x"))
        started.start()
        await self.becomes_available(redis)

    async def test_a_redis_that_stands_still(self) -> None:
        started = self.redis_server()
        redis = self.client(started.url, timeout=timedelta(milliseconds=500))
        await redis.ready()
        started.stall()
        self.addCleanup(started.go_on)
        self.assertIn("does not answer", await self.unavailable(redis.command("GET", "x")))
        await self.becomes_unavailable(redis, "no answer within 0.5 s")
        started.go_on()
        await self.becomes_available(redis)

    async def test_a_lost_connection_is_not_noticed_by_later_calls(self) -> None:
        started = self.redis_server()
        # With more, one that is just being made would be killed too.
        redis = self.client(started.url, pool_size=1)
        await redis.ready()
        for _ in range(3):
            started.ask("CLIENT", "KILL", "TYPE", "normal")
            await deferLater(REACTOR, 0.01)
            self.assertEqual(await redis.command("PING"), b"PONG")

    async def test_what_was_acknowledged_outlives_a_kill(self) -> None:
        started = self.redis_server(appendonly="yes", appendfsync="always")
        redis = self.client(started.url)
        storage = RedisStorage(redis, REMEMBER)
        acknowledged = []
        for number in range(300):
            if number == 200:
                started.kill()
                started.start()
            kept = invite()
            try:
                acknowledged.append(await storage.invites.add(kept, resend_before=0))
            except StorageUnavailable:
                await self.becomes_available(redis)
        self.assertGreater(len(acknowledged), 290)
        self.assertEqual([await storage.invites.get(kept.token) for kept in acknowledged], acknowledged)

    async def test_too_few_connections_are_enough(self) -> None:
        started = self.redis_server(maxclients="2")
        redis = self.client(started.url)
        await redis.ready()
        await deferLater(REACTOR, 0.3)
        self.assertEqual(await redis.command("PING"), b"PONG")

    async def test_no_connection_to_be_had(self) -> None:
        started = self.redis_server(maxclients="1")
        first = self.client(started.url, pool_size=1)
        await first.ready()
        second = self.client(f"{started.url}?db=1")
        # Redis closes the connection as soon as it has said why: what comes first is a matter of chance.
        said = await self.unavailable(second.command("PING"))
        self.assertRegex(said, "max number of clients reached|[Cc]onnection")
        await first.stopService()
        await self.becomes_available(second)

    async def test_after_the_stop_calls_fail_and_do_not_hang(self) -> None:
        redis = self.client(self.redis_server().url)
        await redis.ready()
        await redis.stopService()
        self.assertIn("stopping", await self.unavailable(redis.command("PING")))

    async def test_a_stop_while_redis_is_away(self) -> None:
        started = self.redis_server()
        started.kill()
        redis = self.client(started.url)
        waiting = Deferred.fromCoroutine(self.unavailable(redis.command("PING")))
        await redis.stopService()
        await waiting


class RefusalTests(Case):
    """Redis is there, but does not do what it is asked to."""

    async def test_out_of_memory(self) -> None:
        started = self.redis_server()
        redis = self.client(started.url)
        storage = RedisStorage(redis, REMEMBER)
        kept = await storage.invites.add(invite(), resend_before=0)
        started.ask("CONFIG", "SET", "maxmemory", "1")
        before = started.ask("DBSIZE")
        for write in (
            storage.bindings.bind(binding(), "example.org"),
            storage.invites.add(invite(), resend_before=0),
            storage.invites.end(kept.token, "expired", None, "example.org", NOW),
        ):
            self.assertIn("OOM", await self.unavailable(write))
        # Nothing was done by halves.
        self.assertEqual(started.ask("DBSIZE"), before)
        self.assertEqual(await storage.invites.get(kept.token), kept)
        self.assertEqual(await storage.invites.pending(EMAIL), [kept])
        started.ask("CONFIG", "SET", "maxmemory", "0")
        self.assertEqual(len(await storage.bindings.bind(binding(), "example.org")), 1)

    async def test_a_read_only_replica(self) -> None:
        started = self.redis_server()
        redis = self.client(started.url)
        storage = RedisStorage(redis, REMEMBER)
        await redis.ready()
        started.ask("REPLICAOF", "127.0.0.1", "1")
        self.assertIn("READONLY", await self.unavailable(storage.bindings.bind(binding(), "example.org")))
        await self.becomes_unavailable(redis, "its role is slave, not master")
        started.ask("REPLICAOF", "NO", "ONE")
        await self.becomes_available(redis)
        self.assertIsNone(await storage.bindings.get(EMAIL))

    async def test_a_disk_that_cannot_be_written_to(self) -> None:
        started = self.redis_server(save="3600 1")
        redis = self.client(started.url)
        await redis.command("SET", "x", "y")
        started.ask("CONFIG", "SET", "dir", str(started.folder))
        (started.folder / "dump.rdb").mkdir()
        started.ask("BGSAVE")
        await self.becomes_unavailable(redis, "MISCONF")
        (started.folder / "dump.rdb").rmdir()
        started.ask("BGSAVE")
        await self.becomes_available(redis)


class SentinelTests(Case):
    """Two servers, and three Sentinels that know which of them is in charge."""

    def setUp(self) -> None:
        ports = [free_port() for _ in range(5)]
        self.master = self.redis_server(port=f"{ports[0]}", repl_diskless_sync_delay="0")
        self.replica = self.redis_server(port=f"{ports[1]}", replicaof=f"127.0.0.1 {ports[0]}")
        self.sentinels = [SentinelServer(port, ports[0]) for port in ports[2:]]
        for sentinel in self.sentinels:
            self.addCleanup(sentinel.remove)
        self.addresses = tuple(HostPort("127.0.0.1", port) for port in ports[2:])

    def service(self, name: str = "ours", **settings: Any) -> Redis:
        return self.client("redis://localhost/1", sentinel=Sentinel(servers=self.addresses, service=name), **settings)

    async def test_a_fail_over_loses_nothing_and_needs_nobody(self) -> None:
        await self.until(self.they_know_each_other)
        redis = self.service(pool_size=1)
        storage = RedisStorage(redis, REMEMBER)
        await storage.bindings.bind(binding(), "example.org")
        self.assertEqual(await redis.command("WAIT", 1, milliseconds(TIMEOUT)), 1)  # the replica has it
        self.master.kill()
        await self.becomes_available(redis)
        self.assertIn("master", self.replica.ask("ROLE"))
        self.assertEqual(await storage.bindings.get(EMAIL), binding())
        self.assertEqual(await storage.bindings.bind(binding(bound_at=NOW + 1), "example.org"), [])

    async def they_know_each_other(self) -> bool:
        """Before that, nobody else can be put in charge."""
        return all(
            "num-slaves\r\n$1\r\n1\r" in known and "num-other-sentinels\r\n$1\r\n2\r" in known
            for known in (sentinel.ask("SENTINEL", "MASTERS") for sentinel in self.sentinels)
        )

    async def test_sentinels_that_are_away_are_not_missed(self) -> None:
        self.sentinels[0].kill()
        self.sentinels[2].stall()
        self.addCleanup(self.sentinels[2].go_on)
        self.assertEqual(await self.service().command("PING"), b"PONG")

    async def test_a_service_that_nobody_knows(self) -> None:
        reason = await self.unavailable(self.service("theirs").command("PING"))
        self.assertIn("no Sentinel knows where it is (theirs is not known to 127.0.0.1:", reason)
