"""Several processes on each of the storages that they can share; see :mod:`tests.integration.several_processes`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.integration import several_processes
from tests.integration.onbind_log import Arrival, Interruption, Outcome, faults
from tests.integration.process import installed
from tests.integration.shared_storage import OnPostgreSQL, OnRedis, SharedStorage


class FaultsTests(SynchronousTestCase):
    """The checker: what it lets pass, and what not."""

    def check(self, arrivals: list[Arrival], outcome: Outcome, *interruptions: Interruption) -> list[str]:
        return faults({"a": "!a"}, arrivals, {"a": outcome}, interruptions, 1)

    def test_once(self) -> None:
        self.assertEqual(self.check([Arrival(1, "a", "!a")], Outcome("done", 0)), [])

    def test_repeated_because_the_process_was_killed(self) -> None:
        twice = [Arrival(1, "a", "!a"), Arrival(32, "a", "!a")]
        self.assertEqual(self.check(twice, Outcome("done", 1), Interruption(2, 2)), [])

    def test_faults(self) -> None:
        once, again = Arrival(1, "a", "!a"), Arrival(32, "a", "!a")
        killed = Interruption(2, 2)
        for arrivals, outcome, interruptions, fault in (
            ([], Outcome("done", 0), [], "a has not arrived"),
            ([once], Outcome("abandoned", 0), [], "a has ended as abandoned"),
            ([once], Outcome("unknown", 1), [killed], "a has ended as unknown"),
            ([once, again], Outcome("done", 0), [killed], "a was repeated although no outcome was lost"),
            ([once, again], Outcome("done", 1), [Interruption(90, 90)] * 2, "although nothing was interrupted"),
            ([once, again, again], Outcome("done", 1), [killed], "a has arrived 3 times"),
            ([Arrival(1, "a", "!b")], Outcome("done", 0), [], "a has arrived in another room"),
            ([once, Arrival(1, "b", "!a")], Outcome("done", 0), [], "b was never acknowledged"),
        ):
            (found,) = self.check(arrivals, outcome, *interruptions)
            self.assertIn(fault, found)

    def test_more_than_were_under_way(self) -> None:
        rooms = {"a": "!a", "b": "!b"}
        arrivals = [Arrival(at, token, room) for token, room in rooms.items() for at in (1, 32)]
        (found,) = faults(rooms, arrivals, dict.fromkeys(rooms, Outcome("done", 1)), [Interruption(2, 2)], 1)
        self.assertEqual(found, "2 were repeated, with 1 interruptions")


class OnRedisTests(several_processes.SeveralProcesses):
    def storage(self) -> SharedStorage:
        installed("redis-server")
        return OnRedis()


class OnPostgreSQLTests(several_processes.SeveralProcesses):
    def storage(self) -> SharedStorage:
        return OnPostgreSQL()


class RedisAwayTests(several_processes.StorageAway):
    def storage(self) -> SharedStorage:
        installed("redis-server")
        return OnRedis()


class PostgreSQLAwayTests(several_processes.StorageAway):
    def storage(self) -> SharedStorage:
        return OnPostgreSQL()
