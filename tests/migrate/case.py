"""Moves into a storage in memory, at a time not long after the old servers were stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import structs
from twisted.trial.unittest import SynchronousTestCase

from mxisd.clock import DAY, HOUR
from mxisd.matrix.signing import Signer
from mxisd.migrate.move import Move, Plan
from mxisd.migrate.old import Conditions, OldServer
from mxisd.migrate.source import open_source
from mxisd.storage.archive import END, START, Kept
from mxisd.storage.sqlite import SQLiteStorage
from tests.make import result, seeded
from tests.storage.inline import storage_in_memory

# An hour after the sessions of the old servers.
THEN = 1_795_690_000_000 + HOUR
WEEK = 7 * DAY


class MoveCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.storage = storage_in_memory()

    def open(self, name: Path | str, keys: Path | None = None) -> OldServer:
        """An old server, as the command line names it."""
        server = open_source(str(name), keys).server
        self.addCleanup(server.close)
        return server

    def conditions(self, server: OldServer, **changes: Any) -> Conditions:
        conditions = Conditions(
            now=THEN,
            random=seeded(),
            signer=Signer("matrix.example.org", server.keys),
            expiry_user="@_mxisd_invite-expired:example.org",
            expire_after=WEEK,
            keep_for=None,
            retry_failed=False,
        )
        return structs.replace(conditions, **changes)

    def move(self, server: OldServer, storage: SQLiteStorage | None = None, **changes: Any) -> Plan:
        """Have everything come; what was planned."""
        move = Move(server, storage or self.storage, self.conditions(server, **changes))
        plan = result(move.plan())
        reported: dict[type[Kept], tuple[int, int]] = {}
        result(move.carry_out(plan, lambda kind, done, total: reported.update({kind: (done, total)})))
        for kind, (done, total) in reported.items():
            self.assertEqual((done, total), (plan.counts[kind].coming,) * 2)
        return plan

    def coming(self, plan: Plan) -> dict[str, int]:
        return {kind.__name__: count.coming for kind, count in plan.counts.items() if count.coming}

    def left(self, plan: Plan) -> dict[str, int]:
        return {f"{kind.__name__}: {why}": n for kind, count in plan.counts.items() for why, n in count.left.items()}

    def all(self, kind: type[Kept]) -> list[Any]:
        """All records of a kind in the storage."""
        found: list[Any] = []
        position = START
        while position != END:
            records, position = result(self.storage.archive.pack(kind, position))
            found += records
        return found
