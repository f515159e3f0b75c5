"""A real Chromium, without a window."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.integration.process import PATIENCE, ROOT, installed

# Kept by the test run, to be looked at.
SCREENSHOTS = ROOT / ".cache" / "screenshots"

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--enable-logging=stderr",
    # Whatever a page wants from elsewhere, it does not get, and complains.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


class Browser:
    """Opens pages, each with nothing that is left of those before."""

    def __init__(self) -> None:
        self._program = installed("chromium")

    def open(self, url: str) -> str:
        """The document at the end of all redirects, as it then is.  Fails if the page complains of anything."""
        return self._run("--dump-dom", url)

    def screenshot(self, name: str, url: str, *, width: int, height: int = 800, dark: bool = False) -> Path:
        """A picture in :data:`SCREENSHOTS`."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}-{width}-{'dark' if dark else 'light'}.png"
        path.unlink(missing_ok=True)
        size = f"--window-size={width},{height}"
        self._run(f"--screenshot={path}", size, f"--blink-settings=preferredColorScheme={0 if dark else 1}", url)
        return path

    def _run(self, *arguments: str) -> str:
        with TemporaryDirectory(prefix="mxisd-browser-", ignore_cleanup_errors=True) as profile:
            command = [self._program, *OPTIONS, f"--user-data-dir={profile}", *arguments]
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
        complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        assert not complaints, complaints
        return done.stdout
