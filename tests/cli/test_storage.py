"""Carrying everything from one engine to another: nothing is lost, and it works there as it did here."""

from __future__ import annotations

import os
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

from msgspec import structs
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from mxisd.cli.storage import CopyFailed, copy, run
from mxisd.config import Config, load
from mxisd.keys.file import new_keys
from mxisd.matrix.hashing import digest
from mxisd.matrix.threepid import ThreePid
from mxisd.storage.archive import END, KINDS, Kept
from mxisd.storage.contract import Storage
from mxisd.storage.engine import Engine, engine
from mxisd.storage.records import Account, Binding, Pepper
from tests.redis_server import RedisServer
from tests.storage.contract import ALICE, AWKWARD, BOB, EMAIL, HOUR, LEASE, NOW, binding, invite, session, together

REACTOR: Any = reactor
REMEMBER = 7 * 24 * HOUR


def nobody(kind: type[Kept], done: int, total: int) -> None:
    """Nobody looks on."""


class Case(TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.server = RedisServer()
        self.addCleanup(self.server.remove)

    def config(self, name: str, backend: str) -> Config:
        path = self.folder / f"{name}.yaml"
        path.write_text(
            f"""
            matrix: {{domain: example.org}}
            storage:
              backend: {backend}
              provider:
                sqlite: {{database: {name}.db}}
                redis: {{url: '{self.server.url}', prefix: '{name}:', timeout: 10000}}
            """
        )
        return load(path, os.environ)

    def start(self, config: Config) -> Engine:
        started = engine(config.storage, REACTOR, REMEMBER)
        started.startService()
        self.addCleanup(started.stopService)
        return started

    async def fill(self, storage: Storage) -> None:
        """Something of everything, in every state."""
        self.session = session(next_link="https://example.org", modified=NOW)
        self.older = structs.replace(self.session, sid="older", modified=NOW - HOUR)
        for kept in (self.older, self.session):
            await storage.sessions.open(kept, alive_since=kept.modified, max_guesses=5)
        await storage.hashes.prepare(Pepper(pepper="pepper", made_at=NOW), after=None)
        await storage.hashes.publish("pepper", keep=2)
        self.bound = [binding(ThreePid(medium, address)) for medium in ("email", "msisdn") for address in AWKWARD]
        self.bound += [binding(ThreePid("email", f"{number}@example.com")) for number in range(1200)]
        await together(*(storage.bindings.bind(each, "example.org") for each in self.bound))
        fields: dict[str, object] = {"room_name": "Räume 🙂", "nested": {"empty": {}, "list": [], "float": 1.5}}
        self.pending, self.again, self.ended = (invite(fields=fields) for _ in range(3))
        for each in (self.pending, self.ended):
            await storage.invites.add(each, resend_before=0)
        await storage.invites.end(self.ended.token, "expired", BOB, "example.net", NOW)
        (self.claimed,) = [
            delivery
            for delivery in (await storage.outbox.claim("onbind", NOW, LEASE, 10_000, {}, 10_000)).deliveries
            if delivery.token == self.ended.token
        ]
        await storage.accounts.register("aa", ALICE, NOW)
        await storage.accounts.accept_terms(ALICE, ["https://example.org/ä", "b"], NOW)
        await storage.transactions.done("1", NOW)
        await storage.cooldowns.take("once", NOW, HOUR)

    async def check(self, storage: Storage) -> None:
        """That it goes on as if nothing had happened."""
        again = structs.replace(self.session, sid="again")
        self.assertEqual(await storage.sessions.open(again, alive_since=NOW, max_guesses=5), self.session)
        self.assertEqual(await storage.sessions.get("older"), self.older)
        self.assertEqual([await storage.bindings.get(each.threepid) for each in self.bound], self.bound)
        sought = digest(self.bound[0].threepid, "pepper")
        self.assertEqual(await storage.hashes.find("pepper", [sought]), {sought: ALICE})
        self.assertEqual(await storage.invites.pending(EMAIL), [self.pending])
        self.assertEqual(await storage.invites.page(ended=False, offset=0, limit=5), [self.pending])
        self.assertEqual(await storage.invites.claim_due(NOW, NOW, 5), [self.pending])
        self.assertTrue(await storage.invites.has_ephemeral_key(self.ended.ephemeral_public_key))
        (ended,) = await storage.invites.page(ended=True, offset=0, limit=5)
        self.assertEqual((ended.token, ended.ended, ended.user_id), (self.ended.token, "expired", BOB))
        message, onbind = await storage.outbox.of_invite(self.ended.token)
        self.assertEqual((message.state, onbind.state, onbind.lost), ("abandoned", "queued", 1))
        self.assertFalse(await storage.outbox.close(self.claimed, "done", "200", NOW))
        self.assertEqual((await storage.outbox.claim("onbind", NOW, LEASE, 0, {}, 10_000)).next_due, NOW + LEASE)
        taken = (await storage.outbox.claim("onbind", NOW + LEASE, LEASE, 10_000, {}, 10_000)).deliveries
        self.assertEqual(len(taken), len(self.bound) + 1)
        self.assertEqual({(each.attempts, each.lost) for each in taken}, {(2, 1)})
        await storage.invites.add(self.again, resend_before=0)
        (fresh,) = await storage.outbox.of_invite(self.again.token)
        self.assertGreater(int(fresh.id), max(int(each.id) for each in taken))
        account = await storage.accounts.account_of("aa")
        self.assertEqual(account, Account(user_id=ALICE, accepted_terms=frozenset({"https://example.org/ä", "b"})))
        self.assertTrue(await storage.transactions.is_done("1"))
        self.assertFalse(await storage.cooldowns.take("once", NOW + HOUR - 1, HOUR))
        ended_too = await storage.invites.end(self.pending.token, "cancelled", None, None, NOW)
        self.assertIsNotNone(ended_too)


class CopyTests(Case):
    async def test_to_redis_and_back_and_on(self) -> None:
        configs = [
            self.config(name, backend)
            for name, backend in (("a", "sqlite"), ("b", "redis"), ("c", "redis"), ("d", "sqlite"), ("e", "sqlite"))
        ]
        storages = [self.start(config).storage for config in configs]
        await self.fill(storages[0])
        for source, target in pairwise(storages):
            summaries = await copy(source, target, nobody)
            self.assertEqual(len(summaries[Binding].hashes), len(self.bound))
            for kind in KINDS:
                self.assertTrue(summaries[kind].hashes, kind)
        for storage in storages[1:]:
            await self.check(storage)

    async def test_an_interrupted_copy_goes_on(self) -> None:
        for backend in ("redis", "sqlite"):
            source = self.start(self.config(f"from-{backend}", "sqlite")).storage
            target = self.start(self.config(f"to-{backend}", backend)).storage
            await self.fill(source)
            told: list[str] = []

            def interrupt(kind: type[Kept], done: int, total: int, told: list[str] = told) -> None:
                told.append(kind.__name__)
                raise KeyboardInterrupt

            for _ in range(len(KINDS) + 5):
                try:
                    await copy(source, target, interrupt)
                except KeyboardInterrupt:
                    continue
                break
            self.assertGreater(told.count("Binding"), 2)
            await copy(source, target, nobody)
            await self.check(target)

    async def test_nothing_is_copied_over_something_else(self) -> None:
        for backend in ("redis", "sqlite"):
            source = self.start(self.config(f"source-{backend}", "sqlite")).storage
            target = self.start(self.config(f"target-{backend}", backend)).storage
            await target.accounts.register("aa", ALICE, NOW)
            with self.assertRaisesRegex(CopyFailed, "the target is not empty"):
                await copy(source, target, nobody)

    async def test_a_change_in_the_middle_is_noticed(self) -> None:
        source = self.start(self.config("a", "sqlite")).storage
        target = self.start(self.config("b", "redis")).storage
        await self.fill(source)
        await copy(source, target, nobody)
        for kind in KINDS:
            await target.archive.unpack(kind, [], END)
        await target.accounts.logout("aa")
        with self.assertRaisesRegex(CopyFailed, "AccessToken: 1 of 1 records are missing or different"):
            await copy(source, target, nobody)


class CommandTests(Case):
    async def test_everything_and_the_keys(self) -> None:
        first, second, third = self.config("a", "sqlite"), self.config("b", "redis"), self.config("c", "sqlite")
        third = structs.replace(third, key=structs.replace(third.key, path=self.folder / "c.key"))
        content = new_keys()
        first.key.path.write_bytes(content)  # type: ignore[union-attr]  # SQLite has a default
        started = engine(first.storage, REACTOR, REMEMBER)
        started.startService()
        await self.fill(started.storage)
        await started.stopService()
        for source, target in ((first, second), (second, third)):
            out = StringIO()
            await run(REACTOR, source, target, out)
            self.assertRegex(out.getvalue(), r"Binding +\[#{40}\] 1,236 of 1,236\n")
            self.assertRegex(out.getvalue(), r"AccessToken: 1 on both sides, checksum [0-9a-f]{16}\n")
        self.assertEqual((self.folder / "c.key").read_bytes(), content)
        self.assertEqual((self.folder / "c.key").stat().st_mode & 0o777, 0o600)
        await self.check(self.start(third).storage)

    async def test_other_keys_are_not_replaced(self) -> None:
        source, target = self.config("a", "sqlite"), self.config("b", "redis")
        await self.start(target).storage.keys.signing_keys(new_keys)
        self.start(source)
        source.key.path.write_bytes(new_keys())  # type: ignore[union-attr]  # SQLite has a default
        with self.assertRaisesRegex(CopyFailed, "the target has other signing keys"):
            await run(REACTOR, source, target, StringIO())

    async def test_a_database_that_is_not_there_is_not_made(self) -> None:
        with self.assertRaisesRegex(CopyFailed, "there is no database"):
            await run(REACTOR, self.config("a", "sqlite"), self.config("b", "redis"), StringIO())
        self.assertEqual(list(self.folder.glob("*.db")), [])

    async def test_a_storage_is_not_copied_to_itself(self) -> None:
        config = self.config("a", "redis")
        with self.assertRaisesRegex(CopyFailed, "both configurations name the same storage"):
            await run(REACTOR, config, config, StringIO())
