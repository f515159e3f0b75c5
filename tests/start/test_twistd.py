"""A start that fails, as an administrator sees it who types the command."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from subprocess import CompletedProcess, run
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.mxisd import ENVIRONMENT
from tests.integration.names import TWISTD
from tests.integration.process import ROOT
from tests.start.rows import Keys, Row, redis
from tests.start.world import World

PORT_IN_USE: Keys = {"server.bind": "tcp:USED:interface=127.0.0.1"}
# As if somebody had begun to listen a moment after it was looked.
TOO_LATE = """
from twisted.scripts.twistd import run
from mxisd import core
core.check_free = lambda *_: None
run()
"""


class TwistdTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory(prefix="mxisd-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.world = World(self.folder)
        self.addCleanup(self.world.close)
        self.log = self.folder / "twistd.log"

    def twistd(self, keys: Keys, *options: str, before: tuple[str, ...] = ("-n",), late: bool = False) -> str:
        """What is said by a start that fails."""
        config = self.world.config(Row(keys))
        program = [sys.executable, "-c", TOO_LATE] if late else [str(TWISTD)]
        pidfile = f"--pidfile={self.folder / 'pid'}"
        done: CompletedProcess[str] = run(
            [*program, *before, pidfile, "mxisd", "--config", str(config), *options],
            cwd=ROOT,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.returncode, 1, done)
        said = done.stderr + done.stdout + (self.log.read_text() if self.log.exists() else "")
        self.assertNotIn("Traceback", said)
        return said

    def test_what_is_wrong_is_all_that_is_said(self) -> None:
        for options in ((), ("--check",)):
            said = self.twistd({"key.path": "garbage"}, *options)
            first = "" if options else "mxisd cannot start:\n"
            mistake = "key.path: FOLDER/garbage is not a file of signing keys: expected lines 'ed25519 VERSION BASE64'"
            self.assertEqual(said, self.world.said(f"{first}{mistake}\n"))

    def test_several_mistakes_are_said_at_once(self) -> None:
        said = self.twistd({"server.prot": 1, "outbound.caFile": "absent"})
        self.assertIn("server.prot: unknown key", said)
        self.assertIn("outbound.caFile: expected a file", said)

    def test_port_in_use(self) -> None:
        said = self.twistd(PORT_IN_USE)
        self.assertEqual(len(said.splitlines()), 2, said)
        self.assertIn("Address already in use: another process has it, perhaps a running mxisd", said)

    def test_daemon(self) -> None:
        said = self.twistd(PORT_IN_USE, before=(f"--logfile={self.log}",))
        self.assertIn("Address already in use", said)

    def test_port_that_is_taken_at_the_last_moment(self) -> None:
        said = self.twistd(PORT_IN_USE, late=True)
        self.assertIn("server.bind: cannot listen on tcp:", said)

    def test_port_that_is_taken_at_the_last_moment_from_a_daemon(self) -> None:
        said = self.twistd(PORT_IN_USE, before=(f"--logfile={self.log}",), late=True)
        self.assertIn("look at log file", said)
        # The daemon says so after it has told the process that waits for it.
        while "server.bind: cannot listen on tcp:" not in self.log.read_text():
            time.sleep(0.05)
        self.assertFalse((self.folder / "pid").exists())

    def test_port_that_is_taken_from_workers_at_the_last_moment(self) -> None:
        said = self.twistd({**redis(), **PORT_IN_USE}, "--workers", "2", late=True)
        self.assertIn("server.bind: cannot listen on tcp:", said)

    def test_workers_that_cannot_be(self) -> None:
        for number in ("-1", "many"):
            self.assertIn("workers", self.twistd(redis(), "--workers", number))

    def test_sockets_that_cannot_be(self) -> None:
        for sockets in ("99", "server.bind=99", "server.bind=a"):
            self.assertIn("--sockets", self.twistd(redis(), "--sockets", sockets))

    def test_terminal_that_cannot_show_it(self) -> None:
        environment = {**ENVIRONMENT, "PYTHONIOENCODING": "ascii"}
        self.patch(sys.modules[__name__], "ENVIRONMENT", environment)
        for options in ((), ("--check",)):
            self.assertIn(r"m\xfcll", self.twistd({"outbound.caFile": "müll"}, *options))
