"""Redis: the contract, on a real server, and what is particular to a store with a clock and a memory of its own."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha1
from typing import Any

from twisted.internet import reactor
from twisted.logger import LogLevel, globalLogPublisher
from twisted.trial.unittest import TestCase

from mxisd.config.engine.section import Secret
from mxisd.config.storage import Redis as Settings
from mxisd.matrix.hashing import digest
from mxisd.storage.buckets import Charge
from mxisd.storage.contract import StorageUnavailable
from mxisd.storage.hashed import Portion
from mxisd.storage.records import Kind, Pepper, Session, secret_digest, token_digest
from mxisd.storage.redis import RedisService, peppers
from tests.make import ALICE, EMAIL, NOW, binding, invite, session
from tests.servers.redis import RedisServer, shared
from tests.storage import contract
from tests.storage.contract import HOUR

REACTOR: Any = reactor
REMEMBER = 7 * 24 * 3_600_000


def service(server: RedisServer, **settings: Any) -> RedisService:
    defaults: dict[str, Any] = {"pool_size": 4, "timeout": timedelta(seconds=10)}
    chosen = Settings(url=Secret(server.url), **defaults | settings)
    return RedisService(chosen, REACTOR, REMEMBER)


class ContractTests(contract.StorageContract):
    """The contract, on one server that is emptied before each test."""

    def setUp(self) -> None:
        shared().flush()
        self.start()
        self.addCleanup(lambda: self.service.stopService())

    def start(self) -> None:
        self.service = service(shared())
        self.service.startService()
        self.storage = self.service.storage

    async def restart(self) -> None:
        await self.service.stopService()
        self.start()


class KeyTests(TestCase):
    """What is in Redis, and how long."""

    def setUp(self) -> None:
        self.redis = shared()
        self.redis.flush()
        self.service = service(self.redis)
        self.service.startService()
        self.addCleanup(self.service.stopService)
        self.storage = self.service.storage

    def keys(self) -> set[str]:
        return set(re.findall(r"mxisd:\S*", self.redis.ask("KEYS", "*"))) - {"mxisd:schema"}

    def life(self, key: str) -> int:
        """Milliseconds until a key goes away; -1 if it stays, -2 if it is not there."""
        return int(self.redis.ask("PTTL", key)[1:])

    async def test_sessions_go_away_by_themselves(self) -> None:
        kept = session()
        await self.storage.sessions.open(kept, alive_since=NOW, max_guesses=5, most=9)
        of_address = sha1(" ".join(kept.threepid).encode(), usedforsecurity=False).hexdigest()
        keys = {
            f"mxisd:session:{kept.sid}",
            f"mxisd:session-of:{kept.secret_digest}",
            f"mxisd:sessions-of:{of_address}",
        }
        self.assertEqual(self.keys(), keys)
        for key in keys:
            self.assertTrue(REMEMBER - 60_000 < self.life(key) <= REMEMBER)
            self.redis.ask("PEXPIRE", key, "1000")
        await self.storage.sessions.take_guess(kept.sid)
        for key in keys:
            self.assertLessEqual(self.life(key), 1000)
        await self.storage.sessions.validate(kept.sid, NOW)
        for key in keys:
            self.assertGreater(self.life(key), REMEMBER - 60_000)

    async def test_buckets_go_away_when_they_are_full(self) -> None:
        await self.storage.buckets.take([Charge("a", 40_000, 60_000), Charge("b", 1, 60_000)], NOW)
        self.assertTrue(20_000 < self.life("mxisd:bucket:a") <= 40_000)
        self.assertTrue(self.life("mxisd:bucket:b") in (-2, 0, 1))

    async def test_nothing_else_goes_away_by_itself(self) -> None:
        await self.fill()
        self.assertEqual({self.life(key) for key in self.keys()}, {-1})

    async def test_nothing_is_left_of_what_was_forgotten(self) -> None:
        await self.fill()
        await self.storage.bindings.unbind(EMAIL, ALICE)
        for pepper in ("second", "third"):
            await self.rotate(pepper)
        await self.storage.hashes.arrange([])
        for kept in await self.storage.invites.page(ended=False, offset=0, limit=10):
            await self.storage.invites.end(kept.token, "expired", None, None, NOW)
        kinds: tuple[Kind, ...] = ("onbind", "message")
        for kind in kinds:
            for claimed in (await self.storage.outbox.claim(kind, NOW, 1, 10, {}, 10)).deliveries:
                await self.storage.outbox.close(claimed, "done", "", NOW)
        await self.storage.invites.purge(NOW + 1)
        await self.storage.accounts.logout("aa")
        await self.storage.transactions.purge(NOW + 1)
        await self.storage.cooldowns.purge(NOW + 1)
        self.assertEqual(self.keys(), {"mxisd:deliveries", "mxisd:staged", "mxisd:peppers", f"mxisd:terms:{ALICE}"})

    async def fill(self) -> None:
        """Something of everything."""
        await self.storage.hashes.arrange(["sql"])
        await self.rotate("first")
        await self.storage.hashes.replace("sql", ["first"], self.listing())
        await self.storage.bindings.bind(binding(), "example.org")
        await self.storage.invites.add(invite(), resend_before=0)
        await self.storage.bindings.bind(binding(), "example.org")
        await self.storage.invites.add(invite(), resend_before=0)
        await self.storage.accounts.register("aa", ALICE, NOW, 9)
        await self.storage.accounts.accept_terms(ALICE, ["https://example.org"], NOW)
        await self.storage.transactions.done("1", "a", NOW)
        await self.storage.cooldowns.take("a", NOW, 1)

    async def rotate(self, pepper: str) -> None:
        peppers = await self.storage.hashes.peppers()
        made = Pepper(pepper=pepper, made_at=NOW)
        await self.storage.hashes.prepare(made, after=peppers[0].pepper if peppers else None)
        await self.storage.hashes.publish(pepper, keep=1)

    async def listing(self) -> AsyncIterator[Portion]:
        yield [(("one",), ALICE)]

    async def test_whoever_prepares_a_pepper_may_die(self) -> None:
        await self.storage.bindings.bind(binding(), "example.org")
        hashes = self.storage.hashes
        await hashes.prepare(Pepper(pepper="dead", made_at=NOW), after=None)
        successor = Pepper(pepper="alive", made_at=NOW)
        self.assertFalse(await hashes.prepare(successor, after=None))
        self.assertGreater(self.life("mxisd:preparing"), 0)
        self.redis.ask("DEL", "mxisd:preparing")
        self.assertTrue(await hashes.prepare(successor, after=None))
        self.assertFalse(await hashes.publish("dead", keep=1))
        self.assertTrue(await hashes.publish("alive", keep=1))
        self.assertNotIn("mxisd:hashes:dead", self.keys())
        sought = digest(EMAIL, "alive")
        self.assertEqual(await hashes.find("alive", [sought]), {sought: ALICE})

    async def test_a_listing_that_broke_off_goes_away(self) -> None:
        async def portions() -> AsyncIterator[Portion]:
            yield [(("one",), ALICE)]
            raise ConnectionError

        await self.rotate("pepper")
        await self.storage.hashes.arrange(["sql"])
        with self.assertRaises(ConnectionError):
            await self.storage.hashes.replace("sql", ["pepper"], portions())
        (left,) = (key for key in self.keys() if key.startswith("mxisd:staged:"))
        self.assertGreater(self.life(left), 0)

    async def test_prefixes_keep_servers_apart(self) -> None:
        other = service(self.redis, prefix="other:")
        other.startService()
        self.addCleanup(other.stopService)
        await self.storage.bindings.bind(binding(), "example.org")
        self.assertIsNone(await other.storage.bindings.get(EMAIL))

    async def test_what_the_first_schema_kept_is_still_there(self) -> None:
        ended, pending = invite(), invite()
        for each in (ended, pending):
            await self.storage.invites.add(each, resend_before=0)
        await self.storage.invites.end(ended.token, "resolved", ALICE, "example.org", NOW)
        await self.storage.cooldowns.take("warning", NOW, HOUR)
        *_, onbind = await self.storage.outbox.of_invite(ended.token)
        # Its words for fields and keys were not today's.
        for key in (f"mxisd:invite:{ended.token}", f"mxisd:delivery:{onbind.id}"):
            self.redis.ask("HSET", key, "mxid", ALICE)
            self.redis.ask("HDEL", key, "user_id")
        self.redis.ask("RENAME", "mxisd:cooldowns", "mxisd:occasions")
        self.redis.ask("SET", "mxisd:schema", "1")
        await self.service.stopService()
        self.service = service(self.redis)
        self.service.startService()
        self.addCleanup(self.service.stopService)
        storage = self.service.storage
        self.assertFalse(await storage.cooldowns.take("warning", NOW + HOUR - 1, HOUR))
        self.assertNotIn("mxisd:occasions", self.keys())
        (kept,) = await storage.invites.page(ended=True, offset=0, limit=5)
        *_, delivery = await storage.outbox.of_invite(ended.token)
        (claimed,) = (await storage.outbox.claim("onbind", NOW, HOUR, 5, {}, 5)).deliveries
        self.assertEqual([each.user_id for each in (kept, delivery, claimed)], [ALICE] * 3)
        self.assertEqual(self.redis.ask("GET", "mxisd:schema"), "$1\r\n4\r\n")

    async def test_spellings_of_a_domain_become_one(self) -> None:
        # What hashes are made of was one spelling.
        hashing = self.patch(peppers, "digests", lambda threepid, pepper: [digest(threepid, pepper)])
        await contract.keep_both_spellings(self.storage)
        hashing.restore()
        self.redis.ask("SET", "mxisd:schema", "2")
        await self.service.stopService()
        self.service = service(self.redis)
        self.service.startService()
        self.addCleanup(self.service.stopService)
        # Several may do it at once.
        await contract.together(self.service.ready(), self.service.ready())
        self.assertNotIn("mxisd:respelling", self.keys())
        await contract.check_one_spelling(self, self.service.storage)
        self.assertEqual(self.redis.ask("HLEN", "mxisd:hashes:pepper"), ":7\r\n")
        self.assertEqual({key for key in self.keys() if "-of:" in key and "bücher" in key}, set())

    async def test_sessions_of_the_second_schema_go_on(self) -> None:
        key = "mxisd:session:sid"
        written = {"sid": "sid", "client_secret": "s3cret", "medium": "email", "address": "a@b.c", "token": "123456"}
        for name, value in {**written, "modified": str(NOW), "send_attempt": "1", "guesses": "0"}.items():
            self.redis.ask("HSET", key, name, value)
        sessions = self.storage.sessions
        await sessions.take_guess("sid")
        await sessions.validate("sid", NOW + 1)
        (packed,), _ = await self.storage.archive.pack(Session, "")
        found = await sessions.get("sid")
        self.assertEqual(found, packed)
        assert found is not None
        self.assertEqual(
            (found.secret_digest, found.token_digests, found.guesses, found.validated_at),
            (secret_digest("email", "a@b.c", "s3cret"), token_digest("sid", "s3cret", "123456"), 0, NOW + 1),
        )

    async def test_the_data_of_a_newer_mxisd_is_left_alone(self) -> None:
        await self.storage.bindings.bind(binding(), "example.org")
        self.redis.ask("SET", "mxisd:schema", "5")
        newcomer = service(self.redis)
        newcomer.startService()
        self.addCleanup(newcomer.stopService)
        with self.assertRaisesRegex(
            StorageUnavailable, r"\(schema 5\) was written by a newer mxisd; this one knows schema 4"
        ):
            await newcomer.storage.bindings.get(EMAIL)


class WarningTests(TestCase):
    """What is said at the start about settings under which Redis forgets."""

    def setUp(self) -> None:
        self.said: list[str] = []
        observer: Any = self.observe
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def observe(self, event: dict[str, Any]) -> None:
        if event.get("log_namespace") == "mxisd.storage.redis" and event["log_level"] == LogLevel.warn:
            self.said.append(event["problem"])

    async def start(self, *acl: str, **settings: str) -> None:
        server = RedisServer(**settings)
        self.addCleanup(server.remove)
        if acl:
            server.ask("ACL", "SETUSER", "default", *acl)
        started = service(server, pool_size=1)
        started.startService()
        self.addCleanup(started.stopService)
        # What it asks at the start is answered by then: there is but one connection.
        for _ in range(5):
            await started.storage.sessions.get("any")

    async def test_nothing_on_disk(self) -> None:
        await self.start()
        self.assertEqual(len(self.said), 1)
        self.assertIn("keeps nothing on disk", self.said[0])

    async def test_snapshots_only(self) -> None:
        await self.start(save="3600 1")
        self.assertEqual(len(self.said), 1)
        self.assertIn("loses everything since its last snapshot when it crashes ('save 3600 1')", self.said[0])

    async def test_nobody_may_know(self) -> None:
        await self.start("-config")
        self.assertEqual(len(self.said), 1)
        self.assertIn("does not tell whether it makes snapshots", self.said[0])

    async def test_everything_on_disk(self) -> None:
        await self.start(appendonly="yes")
        self.assertEqual(self.said, [])

    async def test_a_short_memory(self) -> None:
        await self.start(appendonly="yes", maxmemory_policy="allkeys-lru")
        self.assertEqual(len(self.said), 1)
        self.assertIn("'maxmemory-policy allkeys-lru'", self.said[0])
