"""The index of hashes on SQLite: what it leaves to others, and what an end in the middle leaves."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase, TestCase

from mxisd.matrix.hashing import digest
from mxisd.matrix.threepid import ThreePid
from mxisd.storage.contract import StorageUnavailable
from mxisd.storage.hashed import HashStorage, Portion
from mxisd.storage.records import Pepper
from mxisd.storage.sqlite import SQLiteService, SQLiteStorage
from mxisd.storage.sqlite.database import SQLiteDatabase
from mxisd.storage.sqlite.schema import migrate, open_connection, upgrade
from mxisd.storage.sqlite.sorter import STEP, Sorter, open_sorter
from mxisd.storage.sqlite.worker import Job, run_reads, run_writes
from tests.make import ALICE, BOB, NOW, binding, result
from tests.storage.inline import InlineWorker

REACTOR: Any = reactor
BOUND = [ThreePid("email", f"bound{number}") for number in range(10)]


def people(numbers: Iterable[int], user_id: str) -> dict[ThreePid, str]:
    return {ThreePid("email", f"{number}"): user_id for number in numbers}


async def take_in(hashes: HashStorage, peppers: list[str], listed: Mapping[ThreePid, str]) -> None:
    async def portions() -> AsyncIterator[Portion]:
        yield [([digest(threepid, pepper) for pepper in peppers], user_id) for threepid, user_id in listed.items()]

    await hashes.replace("store", peppers, portions())


async def renew(hashes: HashStorage, pepper: str, listed: Mapping[ThreePid, str]) -> None:
    """Take in what a store lists under a new pepper, after which there is no other."""
    known = await hashes.peppers()
    await hashes.prepare(Pepper(pepper=pepper, made_at=NOW), after=known[0].pepper if known else None)
    await hashes.arrange(["store"])
    await take_in(hashes, [pepper], listed)
    await hashes.publish(pepper, keep=1)


class Mortal(InlineWorker):
    """Does so many jobs more, if that is set, and then none."""

    left: int | None = None

    def run(self, job: Job) -> Deferred[Any]:
        if self.left is not None:
            if self.left == 0:
                return fail(StorageUnavailable("the process has ended"))
            self.left -= 1
        return super().run(job)


class EndInTheMiddleTests(SynchronousTestCase):
    """Work on the index ends after each possible step; what is done then is done right all the same."""

    def setUp(self) -> None:
        self.connection: sqlite3.Connection = open_connection(":memory:")
        migrate(self.connection)
        self.addCleanup(self.connection.close)
        self.writer = Mortal(self.connection, run_writes)
        self.storage = SQLiteStorage(
            SQLiteDatabase(InlineWorker(self.connection, run_reads), self.writer),
            Sorter(InlineWorker(open_sorter(), run_reads)),
        )
        for threepid in BOUND:
            result(self.storage.bindings.bind(binding(threepid), "example.org"))
        self.before = people(range(3 * STEP), ALICE)
        result(renew(self.storage.hashes, "first", self.before))

    def interrupt(self, steps: int, coroutine: Coroutine[Any, Any, None]) -> bool:
        """Have work end after some steps; whether it was not over by then."""

        async def work() -> bool:
            try:
                await coroutine
            except StorageUnavailable:
                return True
            return False

        self.writer.left = steps
        ended_early: bool = result(work())
        self.writer.left = None
        return ended_early

    def found(self, pepper: str, threepids: Iterable[ThreePid]) -> dict[ThreePid, str]:
        by_digest = {digest(threepid, pepper): threepid for threepid in threepids}
        found = result(self.storage.hashes.find(pepper, list(by_digest)))
        assert found is not None
        return {by_digest[hashed]: user_id for hashed, user_id in found.items()}

    def assert_holds(self, pepper: str, listed: Mapping[ThreePid, str]) -> None:
        """The index has this under a pepper, and nothing else is in the table."""
        expected = {**dict.fromkeys(BOUND, ALICE), **listed}
        self.assertEqual(self.found(pepper, [*self.before, *expected]), expected)
        rows = self.connection.execute("SELECT count(*) FROM hashes").fetchone()[0]
        self.assertEqual(rows, len(expected))

    def test_of_a_refresh(self) -> None:
        hashes = self.storage.hashes
        for steps in count():
            # Some go, some come, some change, and most stay.
            after = people(range(steps % 5, 3 * STEP, 2), ALICE) | people(range(2 * STEP, 4 * STEP), BOB)
            ended_early = self.interrupt(steps, take_in(hashes, ["first"], after))
            for threepid, user_id in self.found("first", [*self.before, *after]).items():
                self.assertIn(user_id, (self.before.get(threepid), after.get(threepid)))
            result(take_in(hashes, ["first"], after))
            self.assert_holds("first", after)
            self.before = after
            if not ended_early:
                break
        self.assertGreater(steps, 3)

    def test_of_a_new_pepper(self) -> None:
        hashes = self.storage.hashes
        for steps in count():
            ended_early = self.interrupt(steps, renew(hashes, f"early{steps}", self.before))
            (current,) = result(hashes.peppers())
            self.assertEqual(self.found(current.pepper, BOUND), dict.fromkeys(BOUND, ALICE))
            self.assertEqual(self.found(current.pepper, self.before), self.before)
            result(renew(hashes, f"late{steps}", self.before))
            self.assert_holds(f"late{steps}", self.before)
            if not ended_early:
                break
        self.assertGreater(steps, 10)


class MeanwhileTests(TestCase):
    async def test_others_write_between_the_steps(self) -> None:
        path = Path(self.mktemp())
        upgrade(path)
        service = SQLiteService(path, REACTOR)
        service.startService()
        self.addCleanup(service.stopService)
        storage = service.storage
        work = Deferred.fromCoroutine(renew(storage.hashes, "pepper", people(range(20 * STEP), ALICE)))
        writes = 0
        while not work.called:
            await storage.cooldowns.take(f"{writes}", NOW, 1000)
            writes += 1
        await work
        self.assertGreater(writes, 20)
