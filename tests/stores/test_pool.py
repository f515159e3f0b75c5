"""Threads of clients that block, and what becomes of those that hang."""

from __future__ import annotations

from threading import Event
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import TestCase

from mxisd.reactor import installed_reactor
from mxisd.stores import pool
from mxisd.stores.pool import ThreadedPool

reactor = installed_reactor()


class Connector:
    """To nowhere."""

    def connect(self) -> str:
        return "connection"

    def is_lost(self, connection: str, error: Exception) -> bool:
        return False

    def close(self, connection: str) -> None: ...


class PoolTests(TestCase):
    def setUp(self) -> None:
        self.pool: ThreadedPool[str] = ThreadedPool("people", Connector(), reactor, size=1)
        self.pool.startService()
        self.release, self.begun = Event(), Event()
        self.addCleanup(self.release.set)

    def run_(self, job: Any) -> Deferred[Any]:
        return Deferred.fromCoroutine(self.pool.run(job))

    def hang(self, _: str) -> str:
        self.begun.set()
        self.release.wait()
        return "late"

    async def test_what_nobody_waits_for_is_not_done(self) -> None:
        done: list[str] = []
        hanging = self.run_(self.hang)
        left, waited_for = self.run_(lambda _: done.append("left")), self.run_(lambda _: done.append("waited for"))
        left.cancel()
        with self.assertRaises(CancelledError):
            await left
        self.release.set()
        self.assertEqual(await hanging, "late")
        await waited_for
        self.assertEqual(done, ["waited for"])
        await self.pool.stopService()

    async def test_one_who_stops_waiting_does_not_hold_up_the_next(self) -> None:
        hanging = self.run_(self.hang)
        hanging.addErrback(lambda failure: failure.trap(CancelledError))
        self.begun.wait()
        hanging.cancel()
        self.release.set()
        self.assertEqual(await self.run_(str.upper), "CONNECTION")
        await self.pool.stopService()

    async def test_a_stop_does_not_wait_for_what_hangs(self) -> None:
        self.patch(pool, "STOP_TIMEOUT", 0.1)
        self.run_(self.hang).addErrback(lambda failure: failure.trap(CancelledError))
        queued = self.run_(str.upper)
        queued.addErrback(lambda failure: failure.trap(CancelledError))
        self.begun.wait()
        await self.pool.stopService()
        self.assertFalse(self.release.is_set())
