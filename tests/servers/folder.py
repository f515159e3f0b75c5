"""Temporary folders that any user can reach."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path


def folder(name: str) -> Path:
    """A new and empty one, which is gone when the process ends."""
    path = Path(tempfile.mkdtemp(prefix=f"mxisd-{name}-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    path.chmod(0o755)
    return path
