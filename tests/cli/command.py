"""The command ``mxisd``, as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from msgspec import Struct

from tests.integration.process import ROOT


class Done(Struct, frozen=True):
    """How a process ended, and what it printed."""

    code: int
    out: str
    err: str


def mxisd(*arguments: str, folder: Path, call: str = "main()") -> Done:
    """Run the command in a folder; ``call`` may be one of its old names, as an expression."""
    code = f"from mxisd.cli.main import *; {call}"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)
