"""Messages through real mail servers: aiosmtpd in all its TLS modes, and Postfix."""

from __future__ import annotations

import atexit
import json
import logging
import os
from collections.abc import Mapping
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from twisted.trial.unittest import TestCase

from mxisd.config import Config, load
from mxisd.matrix.threepid import ThreePid
from mxisd.notify import Notifier, SendFailed, Validation
from mxisd.notify.build import build_notifier
from mxisd.notify.messages import values
from mxisd.notify.samples import samples
from mxisd.notify.wordings import mail_site, mail_templates
from mxisd.reactor import installed_reactor
from tests.cli.command import Done, mxisd
from tests.integration.deployment import server_context
from tests.integration.mailbox import Mailbox, text_of
from tests.integration.postfix import Postfix
from tests.net.servers import Authority
from tests.notify.hostile import NAMES
from tests.notify.test_mail import hostile

reactor = installed_reactor()

NOTHING: Mapping[str, Any] = {}
LOGIN = {"login": "mxisd", "password": "a pass phrase"}
# What servers say of clients that do not trust them is no news here.
logging.getLogger("mail.log").addHandler(logging.NullHandler())

BOB = ThreePid("email", "bob@example.com")
LINK = "https://id.example.org/validate?token=secret"


@cache
def postfix() -> Postfix:
    """The one of this run."""
    made = Postfix()
    atexit.register(made.stop)
    return made


class MailCase(TestCase):
    authority: Authority

    def setUp(self) -> None:
        folder = TemporaryDirectory(prefix="mxisd-tests-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def config(self, port: int, tls: int, smtp: Mapping[str, Any] = NOTHING, *, trusted: bool = True) -> Config:
        """Mail goes to a port of 127.0.0.1."""
        email = {
            "identity": {"from": "mxisd@example.org", "name": "Ünser Server"},
            "connectors": {"smtp": {"host": "localhost", "port": port, "tls": tls, **smtp}},
        }
        outbound = {"caFile": self.authority.path} if trusted else {}
        whole = {"matrix": {"domain": "example.org"}, "threepid": {"medium": {"email": email}}, "outbound": outbound}
        (self.folder / "mxisd.yaml").write_text(json.dumps(whole))
        return load(self.folder / "mxisd.yaml", {})

    def notifier(self, config: Config) -> Notifier:
        no_web: Any = None
        return build_notifier(config, reactor, no_web, os.urandom)

    async def sent(self, config: Config, address: str = BOB.address) -> SendFailed | None:
        """How it went to send a validation message."""
        message = Validation(threepid=ThreePid("email", address), token="secret", link=LINK)
        try:
            await self.notifier(config).send(message)
        except SendFailed as failure:
            return failure
        return None


class AiosmtpdTests(MailCase):
    def setUp(self) -> None:
        super().setUp()
        self.authority = Authority(self.folder / "authority.pem")

    def mailbox(self, tls: Literal["none", "starttls", "implicit"], **more: Any) -> Mailbox:
        mailbox = Mailbox(tls, server_context(self.authority, self.folder / "server.pem"), **more)
        self.addCleanup(mailbox.stop)
        return mailbox

    async def test_every_way_of_tls(self) -> None:
        for offered, modes in (("none", (0, 1)), ("starttls", (1, 2)), ("implicit", (3,))):
            mailbox = self.mailbox(offered)  # type: ignore[arg-type]
            for mode in modes:
                self.assertIsNone(await self.sent(self.config(mailbox.port, mode)), (offered, mode))
                message = mailbox.next_to(BOB.address)
                self.assertEqual(message["From"], "Ünser Server <mxisd@example.org>")
                self.assertIn(LINK, text_of(message))

    async def test_tls_that_is_not_there(self) -> None:
        mailbox = self.mailbox("none")
        for mode in (2, 3):
            failure = await self.sent(self.config(mailbox.port, mode))
            assert failure is not None
            self.assertFalse(failure.permanent)
        self.assertTrue(mailbox.is_empty(BOB.address))

    async def test_certificate_of_nobody_we_trust(self) -> None:
        for offered, modes in (("starttls", (1, 2)), ("implicit", (3,))):
            mailbox = self.mailbox(offered)  # type: ignore[arg-type]
            for mode in modes:
                failure = await self.sent(self.config(mailbox.port, mode, trusted=False))
                assert failure is not None
                self.assertFalse(failure.permanent)
                self.assertIn("certificate verify failed", str(failure))
                self.assertTrue(mailbox.is_empty(BOB.address))
                self.assertIsNone(await self.sent(self.config(mailbox.port, mode, {"tlsVerify": False}, trusted=False)))
                mailbox.next_to(BOB.address)

    async def test_login(self) -> None:
        mailbox = self.mailbox("starttls", login=("mxisd", "a pass phrase"))
        self.assertIsNone(await self.sent(self.config(mailbox.port, 2, LOGIN)))
        mailbox.next_to(BOB.address)
        for smtp in ({"login": "mxisd", "password": "wrong"}, {}):
            failure = await self.sent(self.config(mailbox.port, 2, smtp))
            assert failure is not None
            self.assertFalse(failure.permanent)
            self.assertNotIn("wrong", str(failure))
        self.assertTrue(mailbox.is_empty(BOB.address))

    async def test_refusals(self) -> None:
        mailbox = self.mailbox("none")
        for answer, permanent in (("550 5.1.1 nobody", True), ("451 4.7.1 greylisted", False)):
            mailbox.answer = answer
            failure = await self.sent(self.config(mailbox.port, 0))
            assert failure is not None
            self.assertEqual((failure.permanent, answer in str(failure)), (permanent, True))

    def test_command(self) -> None:
        mailbox = self.mailbox("starttls", login=("mxisd", "a pass phrase"))
        self.config(mailbox.port, 2, LOGIN)
        done = self.command()
        self.assertEqual(done.code, 0, done)
        self.assertIn("> AUTH ", done.out)
        self.assertTrue(done.out.endswith("accepted\n"), done)
        self.assertEqual(mailbox.next_to(BOB.address)["To"], BOB.address)
        mailbox.answer = "550 nobody"
        done = self.command()
        self.assertEqual(done.code, 1, done)
        self.assertIn("refused for good", done.out)

    def command(self) -> Done:
        """Run ``mxisd notify test``."""
        return mxisd("notify", "test", "--to", BOB.address, folder=self.folder)


class PostfixTests(MailCase):
    def setUp(self) -> None:
        super().setUp()
        self.server = postfix()
        self.authority = self.server.authority

    async def test_every_way_of_tls(self) -> None:
        for mode, port in (
            (0, self.server.port),
            (1, self.server.port),
            (2, self.server.port),
            (3, self.server.tls_port),
        ):
            self.assertIsNone(await self.sent(self.config(port, mode)), mode)
            (message,) = self.server.messages(1)
            self.assertEqual(message["Subject"], "Verify your email address for example.org")
            self.assertEqual("TLS" in message["Received"], mode > 0)

    async def test_refusals(self) -> None:
        config = self.config(self.server.port, 2)
        for address, permanent in (("nobody@example.com", True), ("later@example.com", False), ("x@example.net", True)):
            failure = await self.sent(config, address)
            assert failure is not None
            self.assertEqual(failure.permanent, permanent, failure)

    async def test_hostile_names(self) -> None:
        config = self.config(self.server.port, 0)
        notifier, site, templates = self.notifier(config), mail_site(config), mail_templates(config)
        expected = {}
        for name in NAMES:
            for message in hostile(name):
                await notifier.send(message)
                rendered = templates[message.kind].best("").template.render(values(message, site))
                expected[_shape(rendered)] = message.kind
        received = self.server.messages(len(NAMES) * len(hostile("")))
        usual = {kind: set(_usual(message, config)) for kind, message in samples(BOB, site).items()}
        for each in received:
            kind = expected[_shape(each)]
            self.assertEqual(
                set(each.keys()) - {"Return-Path", "X-Original-To", "Delivered-To", "Received"}, usual[kind]
            )
            self.assertEqual((each["To"], each["Delivered-To"]), (BOB.address, BOB.address))


def _shape(message: EmailMessage) -> str:
    """The subject and all texts, but for how white space is wrapped."""
    bodies = [part.get_content() for part in message.walk() if not part.is_multipart()]
    return "".join("".join([str(message["Subject"]), *bodies]).split())


def _usual(message: Any, config: Config) -> list[str]:
    site = mail_site(config)
    template = mail_templates(config)[message.kind].best("").template
    return [*template.render(values(message, site)).keys(), "From", "To", "Date", "Message-ID", "Auto-Submitted"]
