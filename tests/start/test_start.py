"""``--check`` exits with 0 exactly if the start succeeds, and no start ends in a traceback."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from twisted.internet.defer import maybeDeferred
from twisted.trial.unittest import TestCase

from mxisd import tap
from mxisd.storage.contract import StorageUnavailable
from tests.start.broken import FILE, KEPT, LISTENING
from tests.start.broken_parts import APPLICATION_SERVICE, MESSAGES, OUTBOUND, STORES
from tests.start.good import GOOD
from tests.start.moved import MOVED
from tests.start.rows import Row
from tests.start.world import World


class TableTests(TestCase):
    """Each row of the tables is a test."""

    def setUp(self) -> None:
        folder = TemporaryDirectory(prefix="mxisd-")  # unix sockets want short names
        self.addCleanup(folder.cleanup)
        self.world = World(Path(folder.name))
        self.addCleanup(self.world.close)
        self.patch(gc, "freeze", lambda: None)
        environment = patch.dict(os.environ, {"LATIN_1": "caf\udce9"})
        environment.start()
        self.addCleanup(environment.stop)

    def judge(self, row: Row) -> None:
        missing = patch.dict(sys.modules, {row.without: None} if row.without else {})
        missing.start()
        self.addCleanup(missing.stop)
        path = self.world.config(row)
        before = self.world.names()
        code, said = self.checked(path, row.workers)
        self.assertEqual(self.world.names(), before)
        mistakes = self.started(path, row.workers)
        if row.says:
            self.assertEqual((code, said), (1, mistakes))
            self.assertIn(self.world.said(row.says), said)
        else:
            self.assertEqual((code, mistakes), (0, ""), said)

    def checked(self, path: Path, workers: int) -> tuple[object, str]:
        """What ``--check`` exits with, and what it prints."""
        output = io.StringIO()
        self.patch(sys, "stdout", output)
        with self.assertRaises(SystemExit) as ended:
            tap.Options().parseOptions(["--check", "--config", str(path), "--workers", str(workers)])
        self.patch(sys, "stdout", sys.__stdout__)
        return ended.exception.code, output.getvalue()

    def started(self, path: Path, workers: int) -> str:
        """What a start that fails says after its first line; of one that succeeds, nothing."""
        options = tap.Options()
        options.parseOptions(["--config", str(path), "--workers", str(workers)])
        try:
            service = tap.makeService(options)
            # A storage that is away is looked for until the service has stopped.
            self.addCleanup(self.flushLoggedErrors, StorageUnavailable)
            self.addCleanup(lambda: maybeDeferred(service.stopService))
            service.privilegedStartService()
        except SystemExit as error:
            first, _, mistakes = str(error.code).partition("\n")
            self.assertEqual(first, "mxisd cannot start:")
            return f"{mistakes}\n"
        service.startService()
        return ""


def _add(kind: str, rows: Mapping[str, Row]) -> None:
    def test(row: Row) -> Callable[[TableTests], object]:
        return lambda case: case.judge(row)

    for name, row in rows.items():
        setattr(TableTests, f"test_{kind}: {name}", test(row))


_add("good", GOOD)
_add("moved", MOVED)
for _rows in (FILE, LISTENING, KEPT, OUTBOUND, MESSAGES, APPLICATION_SERVICE, STORES):
    _add("broken", _rows)
