"""Connections to PostgreSQL: all that can be wrong with a server that is somewhere else, on real ones."""

from __future__ import annotations

import shutil
import time
from collections.abc import Awaitable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from msgspec import structs
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from mxisd.config.engine.section import Secret
from mxisd.config.storage import PostgreSQL as Settings
from mxisd.storage.contract import Storage, StorageUnavailable
from mxisd.storage.postgresql import PostgreSQLService
from tests.integration.process import free_port
from tests.make import EMAIL, binding, invite
from tests.net.servers import Authority
from tests.servers.postgresql import PostgreSQL
from tests.storage.contract import together

REACTOR: Any = reactor
# Long enough for a busy machine to answer in.
TIMEOUT = timedelta(seconds=10)


class Case(TestCase):
    """Has a server of its own, and makes clients that are stopped in the end."""

    settings: dict[str, str] = {}

    def setUp(self) -> None:
        self.server = PostgreSQL(**self.settings)
        self.addCleanup(self.server.crash)
        self.service: PostgreSQLService

    def client(self, location: str = "", **settings: Any) -> Storage:
        location = location or f"//postgres@127.0.0.1:{self.server.port}/postgres"
        defaults: dict[str, Any] = {"timeout": TIMEOUT, "pool_size": 4}
        chosen = Settings(database=Secret(location), **defaults | settings)
        self.service = PostgreSQLService(chosen, REACTOR)
        self.service.startService()
        self.addCleanup(self.service.stopService)
        return self.service.storage

    async def unavailable(self, call: Awaitable[object]) -> str:
        """Why a call fails."""
        with self.assertRaises(StorageUnavailable) as caught:
            await call
        return str(caught.exception)

    async def becomes_unavailable(self, storage: Storage, reason: str) -> None:
        while reason not in await self.state(storage):
            await deferLater(REACTOR, 0.01)

    async def becomes_available(self, storage: Storage) -> None:
        while await self.state(storage):
            await deferLater(REACTOR, 0.01)

    async def state(self, storage: Storage) -> str:
        """Why it is unavailable; nothing if it is not."""
        try:
            await storage.bindings.get(EMAIL)
        except StorageUnavailable as error:
            return str(error)
        return ""


class InterruptionTests(Case):
    """PostgreSQL goes away and comes back."""

    async def test_a_start_without_postgresql_waits_for_it(self) -> None:
        self.server.crash()
        storage = self.client()
        ready = Deferred.fromCoroutine(self.service.ready())
        reason = await self.unavailable(storage.bindings.get(EMAIL))
        self.assertIn(f"PostgreSQL at 127.0.0.1:{self.server.port}", reason)
        self.assertFalse(ready.called)
        self.server.start()
        await ready
        self.assertIsNone(await storage.bindings.get(EMAIL))

    async def test_while_it_is_away_calls_fail_at_once(self) -> None:
        storage = self.client(timeout=timedelta(seconds=60))
        await storage.bindings.get(EMAIL)
        self.server.crash()
        await self.becomes_unavailable(storage, "is away")
        for _ in range(1000):
            await self.unavailable(storage.hashes.peppers())
        self.server.start()
        await self.becomes_available(storage)

    async def test_one_that_stands_still(self) -> None:
        storage = self.client(timeout=timedelta(milliseconds=500))
        await self.becomes_available(storage)
        self.server.stall()
        self.addCleanup(self.server.go_on)
        began = time.monotonic()
        reasons = await together(*(self.unavailable(storage.hashes.peppers()) for _ in range(50)))
        self.assertLess(time.monotonic() - began, 30)
        self.assertEqual(len(reasons), 50)
        await self.becomes_unavailable(storage, "is away: no answer within 0.5 s")
        self.server.go_on()
        await self.becomes_available(storage)

    async def test_a_lost_connection_is_not_noticed_by_later_calls(self) -> None:
        storage = self.client(pool_size=1)
        await storage.bindings.get(EMAIL)
        for _ in range(3):
            self.server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mxisd storage'"
            )
            while self.server.execute("SELECT 1 FROM pg_stat_activity WHERE application_name = 'mxisd storage'"):
                pass
            await deferLater(REACTOR, 0.05)
            self.assertIsNone(await storage.bindings.get(EMAIL))

    async def test_what_was_acknowledged_outlives_a_crash(self) -> None:
        storage = self.client()
        acknowledged = []
        for number in range(300):
            if number == 200:
                self.server.crash()
                self.server.start()
            kept = invite()
            try:
                acknowledged.append(await storage.invites.add(kept, resend_before=0))
            except StorageUnavailable:
                await self.becomes_available(storage)
        self.assertGreater(len(acknowledged), 290)
        self.assertEqual([await storage.invites.get(kept.token) for kept in acknowledged], acknowledged)

    async def test_a_server_that_may_not_be_written_to(self) -> None:
        storage = self.client()
        await storage.bindings.bind(binding(), "example.org")
        self.read_only("on")
        self.assertIn("read-only", await self.unavailable(storage.bindings.bind(binding(), "example.org")))
        # A server like that is not connected to.  Whoever was just connecting finds out when it writes.
        while "is away" not in (reason := await self.unavailable(storage.bindings.bind(binding(), "example.org"))):
            await deferLater(REACTOR, 0.01)
        self.assertIn("read-only", reason)
        self.read_only("off")
        await self.becomes_available(storage)
        await storage.bindings.bind(binding(), "example.org")

    def read_only(self, value: str) -> None:
        """What a standby is, as far as anybody can tell."""
        self.server.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
        self.server.execute("SELECT pg_reload_conf()")
        while self.server.execute("SHOW default_transaction_read_only") != [(value,)]:
            pass

    async def test_after_the_stop_calls_fail_and_do_not_hang(self) -> None:
        storage = self.client()
        await storage.bindings.get(EMAIL)
        await self.service.stopService()
        self.assertIn("stopping", await self.unavailable(storage.bindings.get(EMAIL)))

    async def test_a_stop_while_it_is_away(self) -> None:
        self.server.crash()
        storage = self.client()
        waiting = Deferred.fromCoroutine(self.unavailable(storage.bindings.get(EMAIL)))
        await self.service.stopService()
        await waiting


class ConflictTests(Case):
    """Others are at work on the same tables."""

    async def test_a_lock_of_somebody_else_is_not_waited_for_long(self) -> None:
        storage = self.client(timeout=timedelta(seconds=1), pool_size=1)
        await self.becomes_available(storage)
        where = f"host=127.0.0.1 port={self.server.port} user=postgres dbname=postgres"
        with psycopg.connect(where) as other:
            other.execute("LOCK TABLE mxisd_bindings")
            self.assertIn("statement timeout", await self.unavailable(storage.bindings.get(EMAIL)))
            # The connection is as good as before.
            self.assertEqual(await storage.hashes.peppers(), [])
        await self.becomes_available(storage)

    async def test_conflicts_are_tried_again(self) -> None:
        storage = self.client()
        await storage.bindings.get(EMAIL)
        for state, times, succeeds in (("40001", 4, True), ("40P01", 2, True), ("40001", 5, False)):
            self.server.execute(
                f"""DROP SEQUENCE IF EXISTS attempts; CREATE SEQUENCE attempts;
                    CREATE OR REPLACE FUNCTION conflict() RETURNS trigger AS $$ BEGIN
                        IF nextval('attempts') <= {times} THEN
                            RAISE EXCEPTION 'others' USING ERRCODE = '{state}';
                        END IF;
                        RETURN NEW;
                    END $$ LANGUAGE plpgsql;
                    DROP TRIGGER IF EXISTS conflict ON mxisd_bindings;
                    CREATE TRIGGER conflict BEFORE INSERT ON mxisd_bindings
                        FOR EACH ROW EXECUTE FUNCTION conflict()"""
            )
            bound = Deferred.fromCoroutine(storage.bindings.bind(binding(), "example.org"))
            if succeeds:
                self.assertEqual(await bound, [])
            else:
                self.assertIn("others", await self.unavailable(bound))

    async def test_more_calls_than_connections(self) -> None:
        storage = self.client(pool_size=2)
        await together(*(storage.invites.add(invite(), resend_before=0) for _ in range(500)))
        self.assertEqual(len(await storage.invites.page(ended=False, offset=0, limit=1000)), 500)

    async def test_who_is_cancelled_leaves_the_connection_to_others(self) -> None:
        storage = self.client(pool_size=1)
        await storage.bindings.get(EMAIL)
        calls = [Deferred.fromCoroutine(storage.bindings.bind(binding(), "example.org")) for _ in range(20)]
        for call in calls[::2]:
            call.addErrback(lambda _: None)
            call.cancel()
        for call in calls[1::2]:
            await call
        self.assertEqual(await storage.bindings.get(EMAIL), binding())

    async def test_large_values(self) -> None:
        storage = self.client(pool_size=1)
        large = structs.replace(binding(), signed=bytes(range(256)) * 40_000)
        await storage.bindings.bind(large, "example.org")
        self.assertEqual(await storage.bindings.get(EMAIL), large)


class RefusalTests(Case):
    """What is not connected to, and why."""

    async def test_a_password_that_is_wrong(self) -> None:
        self.server.execute("CREATE USER strict PASSWORD 'right'; GRANT ALL ON SCHEMA public TO strict")
        hba = self.server.folder / "data" / "pg_hba.conf"
        hba.write_text(f"host all strict all scram-sha-256\n{hba.read_text()}")
        self.server.execute("SELECT pg_reload_conf()")
        location = f"//127.0.0.1:{self.server.port}/postgres"
        storage = self.client(location, username="strict", password=Secret("wrong"))
        self.assertIn("password authentication failed", await self.unavailable(storage.bindings.get(EMAIL)))
        storage = self.client(location, username="strict", password=Secret("right"))
        await self.becomes_available(storage)

    async def test_nowhere_to_make_tables(self) -> None:
        self.server.execute("CREATE USER nobody; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        storage = self.client(f"//nobody@127.0.0.1:{self.server.port}/postgres")
        self.assertIn(
            "its tables cannot be made or upgraded: permission denied for schema public",
            await self.unavailable(storage.bindings.get(EMAIL)),
        )

    async def test_databases_that_do_not_do(self) -> None:
        self.server.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
        self.server.execute("CREATE USER strict; ALTER USER strict SET default_transaction_isolation = 'serializable'")
        for where, reason in (
            ("postgres@127.0.0.1:PORT/latin", "its database has the encoding LATIN1; mxisd needs one with UTF8"),
            ("strict@127.0.0.1:PORT/postgres", "default_transaction_isolation is 'serializable'"),
            ("postgres@127.0.0.1:PORT/absent", 'database "absent" does not exist'),
        ):
            storage = self.client(f"//{where.replace('PORT', str(self.server.port))}")
            self.assertIn(reason, await self.unavailable(storage.bindings.get(EMAIL)))

    async def test_of_several_hosts_the_one_that_can_be_written_to(self) -> None:
        standby = PostgreSQL(default_transaction_read_only="on")
        self.addCleanup(standby.crash)
        hosts = f"127.0.0.1:{free_port()},127.0.0.1:{standby.port},127.0.0.1:{self.server.port}"
        storage = self.client(f"//postgres@{hosts}/postgres")
        await storage.bindings.bind(binding(), "example.org")
        self.assertEqual(self.server.execute("SELECT count(*) FROM mxisd_bindings"), [(1,)])


class TlsTests(Case):
    def setUp(self) -> None:
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        self.authority = Authority(folder / "authority.pem")
        self.stranger = Authority(folder / "stranger.pem")
        both = self.authority.pem("localhost")
        # The server wants it for itself alone.
        certificate = folder / "server.pem"
        certificate.write_bytes(both)
        super().setUp()
        for name in ("server.crt", "server.key"):
            path = self.server.folder / "data" / name
            shutil.copy(certificate, path)
            path.chmod(0o600)
            if self.server.folder.owner() != "root":
                shutil.chown(path, self.server.folder.owner(), self.server.folder.group())
        self.server.execute("ALTER SYSTEM SET ssl = on")
        self.server.execute("SELECT pg_reload_conf()")
        while self.server.execute("SHOW ssl") != [("on",)]:
            pass

    async def test_the_certificate_is_verified(self) -> None:
        for host, ca_file, expected in (
            ("localhost", self.authority.path, ""),
            ("localhost", self.stranger.path, "certificate verify failed"),
            ("127.0.0.1", self.authority.path, 'does not match host name "127.0.0.1"'),
            ("localhost", None, "certificate verify failed"),
        ):
            mode = "?sslmode=verify-full" if ca_file is None else ""
            location = f"//postgres@{host}:{self.server.port}/postgres{mode}"
            storage = self.client(location, ca_file=ca_file and Path(ca_file))
            if expected:
                self.assertIn(expected, await self.unavailable(storage.bindings.get(EMAIL)))
            else:
                await storage.bindings.get(EMAIL)
                rows = self.server.execute(
                    "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
                    "WHERE application_name = 'mxisd storage'"
                )
                self.assertEqual(set(rows), {(True,)})
