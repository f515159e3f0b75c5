"""What somebody sees who follows the link of a validation message, and who reads the messages."""

from __future__ import annotations

import os
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from urllib.parse import urlsplit

from twisted.trial.unittest import SynchronousTestCase

from mxisd.cli.notify import KINDS, preview
from mxisd.config import load
from tests.integration.browser import Browser
from tests.integration.mailbox import Mailbox
from tests.integration.matrix_client import V1, MatrixClient, Refused
from tests.integration.mxisd import Mxisd
from tests.integration.process import free_port

WIDTHS = (400, 1024)


class Elsewhere:
    """A server at another origin than mxisd, which sends whoever comes on to ``target``."""

    def __init__(self, target: str) -> None:
        self.referrers: list[str | None] = []
        here = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                here.referrers.append(self.headers["Referer"])
                self.send_response(302)
                self.send_header("Location", target)
                self.end_headers()

            def log_request(self, *_: object) -> None:
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


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

    def without_asking(self, link: str) -> str:
        """The link of the specification, which validates by itself."""
        return f"{self.client.url}{V1}/validate/email/submitToken?{urlsplit(link).query}"

    def test_success(self) -> None:
        link = self.link("one")
        for width in WIDTHS:
            for dark in (False, True):
                self.browser.screenshot("confirm", link, width=width, dark=dark)
        self.assertFalse(self.is_validated("one"))
        self.browser.press(link, "<h1>This address is verified</h1>")
        self.assertTrue(self.is_validated("one"))
        for width in WIDTHS:
            for dark in (False, True):
                # Followed again, it shows the same page.
                self.browser.screenshot("validated", self.without_asking(link), width=width, dark=dark)

    def test_failure(self) -> None:
        link = self.link("two") + "x"
        self.browser.press(link, "<h1>This address could not be verified</h1>")
        for dark in (False, True):
            self.browser.screenshot("not-validated", self.without_asking(link), width=400, dark=dark)
        self.assertFalse(self.is_validated("two"))

    def test_next_link(self) -> None:
        # Another origin than the page's, with a redirect to a third: no policy of the page may stand in the way.
        elsewhere = Elsewhere(f"{self.client.url}/_matrix/identity/versions")
        self.addCleanup(elsewhere.stop)
        link = self.link("three", elsewhere.url)
        for dark in (False, True):
            self.browser.screenshot("confirm-next", link, width=400, dark=dark)
        self.assertIn("go on to <bdi>127.0.0.1</bdi>", self.browser.open(link))
        self.browser.press(link, "r0.2.0")
        self.assertTrue(self.is_validated("three"))
        self.assertEqual(elsewhere.referrers, [None])

    def test_link_scanners(self) -> None:
        link = self.link("four")
        with urllib.request.urlopen(urllib.request.Request(link, method="HEAD")) as answer:
            self.assertEqual(answer.read(), b"")
        self.browser.open(link)
        self.assertFalse(self.is_validated("four"))
        self.browser.press(link, "is verified")
        self.assertTrue(self.is_validated("four"))

    def test_without_the_page(self) -> None:
        link = self.without_asking(self.link("five", f"{self.client.url}/_matrix/identity/versions"))
        self.assertIn("r0.2.0", self.browser.open(link))
        self.assertTrue(self.is_validated("five"))


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
            preview(load(config_file, {}), kind, "", page, os.urandom, print)
            for width, dark in ((400, True), (1024, False)):
                browser.screenshot(f"mail-{kind}", page.as_uri(), width=width, dark=dark)
