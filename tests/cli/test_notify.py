"""What an administrator does with ``mxisd notify``."""

from __future__ import annotations

import json
import os
from email import message_from_bytes, policy
from io import StringIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from mxisd.cli.command import CommandFailed
from mxisd.cli.notify import KINDS, preview, try_out
from mxisd.cli.output import JsonOutput
from mxisd.config import Config, load
from mxisd.matrix.threepid import ThreePid
from mxisd.net.dns import Resolver
from mxisd.net.http_client import HttpClient
from mxisd.net.networks import ANYWHERE
from mxisd.net.tls import Trust
from mxisd.notify.messages import Kind
from mxisd.reactor import installed_reactor
from tests.cli.command import mxisd
from tests.config.case import DOMAIN, ConfigCase
from tests.net.servers import Server, site
from tests.notify.mailserver import MailServer

reactor = installed_reactor()


class PreviewTests(ConfigCase):
    def preview(self, name: str, kind: Kind = "invite", language: str = "") -> None:
        preview(self.config_file(), kind, language, self.directory / name, os.urandom)

    def config_file(self) -> Config:
        return load(self.directory / "mxisd.yaml", {})

    def read(self, name: str) -> str:
        return (self.directory / name).read_text(encoding="utf-8")

    def test_every_template_in_every_form(self) -> None:
        self.write("mxisd.yaml", DOMAIN)
        for kind in KINDS:
            for name in ("out.eml", "out.html", "out.txt", "out.sms"):
                self.preview(name, kind)
            message = message_from_bytes((self.directory / "out.eml").read_bytes(), policy=policy.default)
            self.assertEqual((message["From"], message["To"]), ("mxisd@example.org", "bob@example.org"))
            self.assertTrue(self.read("out.html").startswith("<!doctype html>"))
            for name in ("out.txt", "out.sms"):
                self.assertNotIn("<", self.read(name))

    def test_own_template_in_a_language(self) -> None:
        self.write("mxisd.yaml", DOMAIN + "threepid: {medium: {email: {generators: {template: {invite: own.eml}}}}}")
        self.write("own.eml", "Subject: x\n\nHello")
        self.write("own.de.eml", "Subject: x\n\nHallo")
        self.preview("out.txt", language="de")
        self.assertEqual(self.read("out.txt"), "Hallo\n")
        with self.assertRaisesRegex(CommandFailed, "no text/html"):
            self.preview("out.html")

    def test_mistakes(self) -> None:
        def said(name: str) -> str:
            done = mxisd("notify", "preview", "--to", name, folder=self.directory)
            self.assertEqual((done.code, done.out), (2, ""))
            return done.err

        self.assertEqual(said("out.eml"), "mxisd: cannot read mxisd.yaml: No such file or directory\n")
        self.write("mxisd.yaml", DOMAIN)
        self.assertIn("out.pdf: expected a file named .eml, .html, .txt or .sms", said("out.pdf"))
        self.assertEqual(said("absent/out.eml"), "mxisd: absent/out.eml: No such file or directory\n")
        self.write("mxisd.yaml", DOMAIN + "threepid: {medium: {email: {generators: {template: {invite: own.eml}}}}}")
        self.write("own.eml", "Subject: x\n\n%FOO%")
        done = mxisd("notify", "preview", "--to", "out.eml", folder=self.directory)
        self.assertEqual((done.code, done.out), (0, "written to out.eml\n"))
        self.assertIn("line 3: unknown placeholder %FOO%", done.err)

    def test_a_built_in_template_to_begin_with(self) -> None:
        self.write("mxisd.yaml", DOMAIN)
        for name in ("invite.de.eml", "invite.de.txt"):
            done = mxisd("notify", "template", "--language", "de", "--to", name, folder=self.directory)
            self.assertEqual((done.code, done.out), (0, f"written to {name}\n"))
            self.assertIn("%SENDER% lädt Sie zum Chat auf", self.read(name))
        self.write(
            "mxisd.yaml", DOMAIN + "threepid: {medium: {email: {generators: {template: {invite: invite.de.eml}}}}}"
        )
        done = mxisd("notify", "preview", "--to", "out.txt", folder=self.directory)
        self.assertEqual((done.code, done.out), (0, "written to out.txt\n"))
        self.assertIn("Alice Liddell", self.read("out.txt"))


class TryOutTests(ConfigCase, TestCase):
    async def tried(self, text: str, to: ThreePid) -> tuple[bool, str]:
        """Whether a message was accepted, and what was told on the way."""
        http = HttpClient(reactor, Resolver(reactor, [("127.0.0.1", 9)]), Trust(), ANYWHERE)
        self.addCleanup(lambda: Deferred.fromCoroutine(http.close()))
        out = StringIO()
        output = JsonOutput(out, StringIO())
        config = self.config(text)
        accepted = await try_out(reactor, config, http, "session.validation", to, os.urandom, output)
        output.end()
        content = json.loads(out.getvalue())
        self.assertEqual(content["accepted"], accepted)
        return accepted, "\n".join(content["lines"])

    def listen(self, factory: Any) -> int:
        server = Server(reactor, factory)
        self.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        return server.port

    async def test_mail(self) -> None:
        email = (
            "threepid: {medium: {email: {identity: {from: a@b.c}, connectors: {smtp: {host: 127.0.0.1, port: %s}}}}}"
        )
        bob = ThreePid("email", "bob@example.com")
        accepted, told = await self.tried(email % self.listen(MailServer()), bob)
        self.assertTrue(accepted)
        for step in (
            "connecting to 127.0.0.1",
            "< 220",
            "> EHLO example.org",
            "> RCPT TO:<bob@example.com>",
            "accepted",
        ):
            self.assertIn(step, told)
        accepted, told = await self.tried(email % self.listen(MailServer({"RCPT": "550 nobody"})), bob)
        self.assertFalse(accepted)
        self.assertTrue(told.endswith("refused for good: the mail server refused the message: 550 nobody"))

    async def test_gateway(self) -> None:
        port = self.listen(site(lambda request: b"ok"))
        http = f"{{connector: http, connectors: {{http: {{url: 'http://127.0.0.1:{port}/sms?key=secret'}}}}}}"
        accepted, told = await self.tried(
            f"threepid: {{medium: {{msisdn: {http}}}}}", ThreePid("msisdn", "15550000000")
        )
        self.assertTrue(accepted)
        self.assertIn(f"> POST http://127.0.0.1:{port}/…\n< 200\naccepted", told)

    async def test_nothing_configured(self) -> None:
        accepted, told = await self.tried("", ThreePid("msisdn", "15550000000"))
        self.assertFalse(accepted)
        self.assertIn("no connector is configured for the medium msisdn", told)
