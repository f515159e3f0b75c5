"""What somebody sees who follows the link of a validation message, and who reads the messages."""

from __future__ import annotations

import os
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SynchronousTestCase

from mxisd.cli.notify import KINDS, preview
from mxisd.config import load
from tests.integration.browser import Browser
from tests.integration.mailbox import Mailbox
from tests.integration.matrix_client import V1, MatrixClient, Refused
from tests.integration.mxisd import Mxisd
from tests.integration.process import free_port

WIDTHS = (400, 1024)


class PageTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory(prefix="mxisd-tests-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.mailbox = Mailbox()
        self.addCleanup(self.mailbox.stop)
        port = free_port()
        self.client = MatrixClient(f"http://127.0.0.1:{port}")
        smtp = {"host": "127.0.0.1", "port": self.mailbox.port, "tls": 0}
        email = {"identity": {"from": "mxisd@example.org"}, "connectors": {"smtp": smtp}}
        server = Mxisd(
            self.folder / "mxisd",
            port,
            {
                "matrix": {"domain": "example.org"},
                "server": {"bind": [f"tcp:{port}:interface=127.0.0.1"], "publicUrl": self.client.url},
                "threepid": {"medium": {"email": email}},
            },
        )
        self.addCleanup(server.stop)
        self.browser = Browser()

    def link(self, secret: str, next_link: str | None = None) -> str:
        """The link of a mail; ``secret`` is the session's."""
        body = {"client_secret": secret, "email": "bob@example.org", "send_attempt": 1, "next_link": next_link}
        self.sid = self.client.post(f"{V1}/validate/email/requestToken", body)["sid"]
        return self.mailbox.next_link_to("bob@example.org")

    def is_validated(self, secret: str) -> bool:
        try:
            self.client.get(f"{V1}/3pid/getValidated3pid", {"sid": self.sid, "client_secret": secret})
        except Refused:
            return False
        return True

    def test_success(self) -> None:
        link = self.link("one")
        for width in WIDTHS:
            for dark in (False, True):
                # Followed again, it shows the same page.
                self.browser.screenshot("validated", link, width=width, dark=dark)
        self.assertIn("<h1>This address is verified</h1>", self.browser.open(link))
        self.assertTrue(self.is_validated("one"))

    def test_failure(self) -> None:
        link = self.link("two") + "x"
        self.assertIn("<h1>This address could not be verified</h1>", self.browser.open(link))
        for dark in (False, True):
            self.browser.screenshot("not-validated", link, width=400, dark=dark)
        self.assertFalse(self.is_validated("two"))

    def test_next_link(self) -> None:
        page = self.browser.open(self.link("three", f"{self.client.url}/_matrix/identity/versions"))
        self.assertIn("r0.2.0", page)
        self.assertTrue(self.is_validated("three"))

    def test_link_scanners(self) -> None:
        link = self.link("four")
        with urllib.request.urlopen(urllib.request.Request(link, method="HEAD")) as answer:
            self.assertEqual(answer.read(), b"")
        self.assertFalse(self.is_validated("four"))
        self.browser.open(link)
        self.assertTrue(self.is_validated("four"))


class MailTests(SynchronousTestCase):
    """HTML mails fetch nothing, and look well on small and large screens, by day and by night."""

    def test_built_in_templates(self) -> None:
        folder = TemporaryDirectory(prefix="mxisd-tests-")
        self.addCleanup(folder.cleanup)
        config_file = Path(folder.name) / "mxisd.yaml"
        config_file.write_text("matrix: {domain: example.org}")
        browser = Browser()
        for kind in KINDS:
            page = Path(folder.name) / f"{kind}.html"
            preview(load(config_file, {}), kind, "", page, os.urandom)
            for width, dark in ((400, True), (1024, False)):
                browser.screenshot(f"mail-{kind}", page.as_uri(), width=width, dark=dark)
