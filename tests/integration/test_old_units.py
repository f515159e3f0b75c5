"""Started as service units and containers started mxisd 1.x and ma1sd."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SynchronousTestCase

from mxisd import __version__
from tests.cli.command import mxisd
from tests.integration.matrix_client import MatrixClient
from tests.integration.mxisd import ENVIRONMENT, write_config
from tests.integration.process import Process, free_port

MXISD = (sys.executable, "-c", "from mxisd.cli.main import main; main()")


class OldUnitTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory(prefix="mxisd-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.port = free_port()
        self.config = write_config(
            self.folder,
            {
                "matrix": {"domain": "example.org"},
                "server": {"hostname": "127.0.0.1", "port": self.port},
                "appsvc": {"endpoint": {"toHS": {"token": "s3cret"}}},
            },
        )

    def start(self, *arguments: str, **environ: str) -> str:
        """The log of a server that serves."""
        process = Process(
            ["env", "-C", self.folder, *MXISD, *arguments],
            self.folder / "mxisd.log",
            {**os.environ, **ENVIRONMENT, **environ},
        )
        client = MatrixClient(f"http://127.0.0.1:{self.port}")
        process.wait_until(client.answers)
        process.stop()
        return process.log

    def test_the_arguments_of_old_units(self) -> None:
        said = self.start("-c", str(self.config), "-vv", "--dump")
        self.assertIn("domain: example.org", said)
        self.assertIn("app: trace", said)
        self.assertNotIn("s3cret", said)
        self.assertIn(f"mxisd {__version__} serves https://example.org", said)

    def test_the_configuration_alone(self) -> None:
        done = mxisd("-c", str(self.config), "--dump-and-exit", folder=self.folder)
        self.assertEqual(done.code, 0, done)
        self.assertIn("domain: example.org", done.out)
        self.assertFalse((self.folder / "mxisd.db").exists())

    def test_a_file_of_ma1sds_in_the_same_folder(self) -> None:
        self.config.rename(self.folder / "ma1sd.yaml")
        self.assertIn("serves https://example.org", self.start("-v"))

    def test_the_environment_of_old_containers(self) -> None:
        self.config.rename(self.folder / "named.yaml")
        said = self.start("-v", CONF_FILE_PATH="named.yaml", MATRIX_DOMAIN="other.example", MA1SD_LOG_LEVEL="error")
        self.assertIn("serves https://example.org", said)
