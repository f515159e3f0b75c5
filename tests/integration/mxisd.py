"""The real mxisd, as an administrator starts it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.integration.matrix_client import MatrixClient
from tests.integration.names import TWISTD
from tests.integration.process import ROOT, Process

# Run from the tree, as well as installed.
ENVIRONMENT = {"PYTHONPATH": str(ROOT)}


class Mxisd:
    """Listens on 127.0.0.1 at ``port``; everything that it keeps is in ``folder``."""

    def __init__(self, folder: Path, port: int, config: Mapping[str, Any]) -> None:
        folder.mkdir(exist_ok=True)
        self.url = f"http://127.0.0.1:{port}"
        self._config_file = write_config(folder, config)
        self._log_file = folder / "mxisd.log"
        self.start()

    def start(self) -> None:
        """Start it, again after :meth:`stop` or :meth:`kill`."""
        command: list[str | Path] = [TWISTD, "-n", "--pidfile=", "mxisd", "--config", self._config_file]
        self.process = Process(command, self._log_file, ENVIRONMENT)
        self.process.wait_until(MatrixClient(self.url).answers)

    def stop(self) -> None:
        """End it in order."""
        self.process.stop()

    def kill(self) -> None:
        """End it at once, as a power failure would."""
        self.process.kill()

    @property
    def log(self) -> str:
        return self.process.log


def write_config(folder: Path, config: Mapping[str, Any]) -> Path:
    """The file ``mxisd.yaml`` in a folder, beside which mxisd keeps its data by default."""
    path = folder / "mxisd.yaml"
    if "nameservers" not in config.get("outbound", {}):
        # The domains of addresses are no concern of this machine's name servers.
        config = {"lookup": {"recursive": {"federation": {"enabled": False}}}, **config}
    # There are many at a time, and one that is asked for its health says where.
    path.write_text(yaml.safe_dump({"metrics": {"enabled": False}, **config}))
    return path
