"""A real Chromium, without a window."""

from __future__ import annotations

import json
import os
import subprocess
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.integration.process import ROOT, TIMEOUT, eventually, installed

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

    def press(self, url: str, until: str) -> str:
        """Open a page without scripts, click its button, and return the document in which ``until`` then is."""
        with TemporaryDirectory(prefix="mxisd-browser-", ignore_cleanup_errors=True) as profile:
            to_browser, ours = os.pipe()
            theirs, from_browser = os.pipe()
            # Chromium reads from 3 and writes to 4.
            command = [self._program, *OPTIONS, f"--user-data-dir={profile}", "--remote-debugging-pipe"]
            with subprocess.Popen(
                ["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "bash", *command],
                pass_fds=(to_browser, from_browser),
                stderr=subprocess.PIPE,
                text=True,
            ) as process:
                os.close(to_browser)
                os.close(from_browser)
                with os.fdopen(ours, "wb", buffering=0) as commands, os.fdopen(theirs, "rb") as answers:
                    tab = _Tab(commands, answers)
                    tab.ask("Emulation.setScriptExecutionDisabled", value=True)
                    tab.ask("Page.navigate", url=url)
                    eventually(lambda: "<button" in tab.html())
                    tab.click("button")
                    eventually(lambda: until in tab.html())
                    html = tab.html()
                    tab.ask("Browser.close")
                _, said = process.communicate(timeout=TIMEOUT)
        _check(said)
        return html

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
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True)
        _check(done.stderr)
        return done.stdout


def _check(said: str) -> None:
    complaints = [line for line in said.splitlines() if "CONSOLE" in line]
    assert not complaints, complaints


class _Tab:
    """A page of a running browser, by the Chrome DevTools Protocol: messages of JSON that end with a zero byte."""

    def __init__(self, commands: Any, answers: Any) -> None:
        self._commands = commands
        self._answers = answers
        self._numbers = count(1)
        self._session: dict[str, str] = {}
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}

    def ask(self, method: str, **parameters: object) -> Any:
        """Send a command, and return its result; empty if it failed."""
        number = next(self._numbers)
        command = {"id": number, "method": method, "params": parameters, **self._session}
        self._commands.write(json.dumps(command).encode() + b"\0")
        while True:
            answer = json.loads(self._message())
            if answer.get("id") == number:
                return answer.get("result", {})

    def html(self) -> str:
        """The document as it is now; empty while there is another one to come."""
        root = self.ask("DOM.getDocument", depth=0).get("root", {"nodeId": 0})
        return str(self.ask("DOM.getOuterHTML", nodeId=root["nodeId"]).get("outerHTML", ""))

    def click(self, selector: str) -> None:
        root = self.ask("DOM.getDocument", depth=0)["root"]["nodeId"]
        found = self.ask("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        left, top, _, _, right, bottom, _, _ = self.ask("DOM.getBoxModel", nodeId=found)["model"]["content"]
        place = {"x": (left + right) / 2, "y": (top + bottom) / 2, "button": "left", "clickCount": 1}
        for type_ in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=type_, **place)

    def _message(self) -> bytes:
        message = b""
        while not message.endswith(b"\0"):
            byte = self._answers.read(1)
            assert byte, "the browser has ended"
            message += byte
        return message[:-1]
