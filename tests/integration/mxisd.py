"""The real mxisd, as an administrator starts it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from .matrix_client import MatrixClient
from .names import TWISTD
from .process import ROOT, Process

# Run from the tree, as well as installed.
ENVIRONMENT = {"PYTHONPATH": str(ROOT)}


class Mxisd:
    """Listens on 127.0.0.1 at ``port``; everything that it keeps is in ``folder``."""

    def __init__(self, folder: Path, port: int, config: dict[str, Any]) -> None:
        folder.mkdir()
        self.url = f"http://127.0.0.1:{port}"
        self._config_file = folder / "mxisd.yaml"
        self._config_file.write_text(yaml.safe_dump(config))
        self._log_file = folder / "mxisd.log"
        self.start()

    def start(self) -> None:
        """Start it, again after :meth:`stop` or :meth:`kill`."""
        command: list[str | Path] = [TWISTD, "-n", "--pidfile=", "mxisd", "--config", self._config_file]
        self._process = Process(command, self._log_file, ENVIRONMENT)
        self._process.wait_until(MatrixClient(self.url).answers)

    def stop(self) -> int:
        """End it in order; return its exit code."""
        return self._process.stop()

    def kill(self) -> int:
        """End it at once, as a power failure would."""
        return self._process.kill()

    @property
    def log(self) -> str:
        return self._process.log
