"""Carrying everything from one engine to another: nothing is lost, and it works there as it did here."""

from __future__ import annotations

from itertools import pairwise

from mxisd.storage.archive import END, KINDS, Kept
from mxisd.storage.copy import CopyFailed, copy
from mxisd.storage.records import Binding
from tests.make import ALICE, NOW
from tests.storage.copies import CopyCase, nobody


class CopyTests(CopyCase):
    async def test_from_every_engine_to_every_other_and_to_its_like(self) -> None:
        there = ["sqlite", "redis", "redis", "sqlite", "sqlite"]
        way = [*there, "postgresql", "postgresql", "redis", "postgresql", "sqlite"]
        configs = [self.config(f"s{number}", backend) for number, backend in enumerate(way)]
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
        for backend in ("redis", "sqlite", "postgresql"):
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
        for backend in ("redis", "sqlite", "postgresql"):
            source = self.start(self.config(f"source-{backend}", "sqlite")).storage
            target = self.start(self.config(f"target-{backend}", backend)).storage
            await target.accounts.register("aa", ALICE, NOW, 9)
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
