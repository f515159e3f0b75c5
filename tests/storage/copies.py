"""Storages to be copied, and what must be the same in the copy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from msgspec import structs
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from mxisd.config import Config, load
from mxisd.matrix.hashing import digest
from mxisd.matrix.threepid import ThreePid
from mxisd.storage.archive import Kept
from mxisd.storage.contract import Storage
from mxisd.storage.engine import Engine, engine
from mxisd.storage.records import Account, Pepper
from tests.make import ALICE, BOB, EMAIL, NOW, binding, invite, session
from tests.servers.postgresql import postgresql
from tests.servers.redis import RedisServer
from tests.storage.contract import AWKWARD, HOUR, LEASE, together

REACTOR: Any = reactor
REMEMBER = 7 * 24 * HOUR


def nobody(kind: type[Kept], done: int, total: int) -> None:
    """Nobody looks on."""


class CopyCase(TestCase):
    """Engines in places of their own, with something of everything in one, and a check of the others."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.server = RedisServer()
        self.addCleanup(self.server.remove)

    def location(self, name: str) -> str:
        """Where a storage on PostgreSQL is: in a schema of its own."""
        schema = f"copy.{os.getpid()}.{name}"
        self.addCleanup(postgresql().execute, f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
        return f"//postgres@127.0.0.1:{postgresql().port}/postgres?currentSchema=%22{schema}%22"

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
                postgresql: {{database: '{self.location(name)}', timeout: 10000}}
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
            await storage.sessions.open(kept, alive_since=kept.modified, max_guesses=5, most=9)
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
        await storage.accounts.register("aa", ALICE, NOW, 9)
        await storage.accounts.accept_terms(ALICE, ["https://example.org/ä", "b"], NOW)
        await storage.transactions.done("1", "a", NOW)
        await storage.cooldowns.take("once", NOW, HOUR)

    async def check(self, storage: Storage) -> None:
        """That it goes on as if nothing had happened."""
        again = structs.replace(self.session, sid="again")
        self.assertEqual(await storage.sessions.open(again, alive_since=NOW, max_guesses=5, most=9), self.session)
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
        self.assertTrue(await storage.transactions.is_done("1", "a"))
        self.assertFalse(await storage.cooldowns.take("once", NOW + HOUR - 1, HOUR))
        ended_too = await storage.invites.end(self.pending.token, "cancelled", None, None, NOW)
        self.assertIsNotNone(ended_too)
