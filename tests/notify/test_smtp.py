"""Delivery to mail servers, good and bad ones, over sockets."""

from __future__ import annotations

import base64
import hmac
import os
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from twisted.internet import reactor, task
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from mxisd.net.tls import TlsVerification, Trust
from mxisd.notify.mail import MailTemplate
from mxisd.notify.notifier import SendFailed
from mxisd.notify.smtp import MailServer, SmtpConnector
from mxisd.notify.smtp_connection import GOODBYE_TIMEOUT, OUTCOME_TIMEOUT
from tests.net.servers import Authority, Server
from tests.notify import mailserver

HOST = "127.0.0.1"


def letter(text: str = "Hello", subject: str = "A letter") -> EmailMessage:
    return MailTemplate.of(subject, text, "").render({})


class SmtpCase(TestCase):
    def setUp(self) -> None:
        self.authority = Authority(Path(self.mktemp()))
        self.trace: list[str] = []

    def listen(self, factory: Any, tls: Any = None) -> Server:
        server = Server(reactor, factory, tls)
        self.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        return server

    def connector(
        self, server: Server, tls: Any = 0, *, using: Any = reactor, verify: TlsVerification = "full", **more: Any
    ) -> SmtpConnector:
        trust = Trust(self.authority.path)
        return SmtpConnector(
            using,
            MailServer(host=HOST, port=server.port, tls=tls, own_name="id.example.org", **more),
            trust.connection_to(HOST, server.port, verify),
            Address("Identity", addr_spec="is@example.org"),
            os.urandom,
            self.trace.append,
        )

    async def failure(self, connector: SmtpConnector, recipient: str = "bob@example.com") -> SendFailed:
        """That with which a delivery fails."""
        try:
            await connector.deliver(recipient, letter())
        except SendFailed as error:
            return error
        raise self.failureException("the message was sent")


class DeliveryTests(SmtpCase):
    async def test_message_arrives(self) -> None:
        mails = mailserver.MailServer()
        await self.connector(self.listen(mails)).deliver("bob@example.com", letter("Grüße\n.\n..end"))
        (mail,) = mails.mails
        self.assertEqual((mail.sender, mail.recipient), ("FROM:<is@example.org>", "TO:<bob@example.com>"))
        message = message_from_bytes(mail.data, policy=policy.default)
        self.assertEqual(message["From"], "Identity <is@example.org>")
        self.assertEqual(message["To"], "bob@example.com")
        self.assertEqual(message["Subject"], "A letter")
        self.assertEqual(message["Auto-Submitted"], "auto-generated")
        self.assertRegex(message["Message-ID"], r"^<[\w-]{20,}@example\.org>$")
        self.assertLess(abs(message["Date"].datetime.timestamp() - reactor.seconds()), 60)
        self.assertEqual(message.get_content().splitlines(), ["Grüße", ".", "..end"])
        self.assertIn("EHLO id.example.org", mails.lines)

    async def test_attempts_at_one_message_have_one_id(self) -> None:
        mails = mailserver.MailServer()
        connector = self.connector(self.listen(mails))
        for reference in ("a.message", "a.message", "", ""):
            await connector.deliver("bob@example.com", letter(), reference)
        ids = [message_from_bytes(mail.data)["Message-ID"] for mail in mails.mails]
        self.assertEqual(ids[:2], ["<a.message@example.org>"] * 2)
        self.assertEqual(len(set(ids)), 3)

    async def test_it_is_noted_before_the_dot_and_not_for_what_was_refused(self) -> None:
        noted: list[int] = []

        async def note() -> None:
            noted.append(len(mails.mails))

        mails = mailserver.MailServer()
        connector = self.connector(self.listen(mails))
        await connector.deliver("bob@example.com", letter(), "", note)
        self.assertEqual(len(mails.mails), 1)
        self.assertEqual(noted, [0])
        mails.answers["RCPT"] = "550 nobody here"
        with self.assertRaises(SendFailed):
            await connector.deliver("bob@example.com", letter(), "", note)
        self.assertEqual(len(noted), 1)

    async def test_dots_do_not_end_the_message(self) -> None:
        # Around the 16 KiB in which files are sent, a line of a single dot at each position.
        text = "".join(f"{'x' * length}\n.\n" for length in range(60, 70) for _ in range(60))
        mails = mailserver.MailServer()
        await self.connector(self.listen(mails)).deliver("bob@example.com", letter(text))
        message = message_from_bytes(mails.mails[0].data, policy=policy.default)
        self.assertEqual(message.get_content().splitlines(), text.splitlines())

    async def test_long_message(self) -> None:
        text = "A line of many, many.\n" * 50_000
        for tls in (0, 2):
            mails = mailserver.MailServer(tls=self.authority.issue(HOST))
            await self.connector(self.listen(mails), tls).deliver("bob@example.com", letter(text))
            message = message_from_bytes(mails.mails[0].data, policy=policy.default)
            self.assertEqual(message.get_content().splitlines(), text.splitlines())

    async def test_server_without_esmtp(self) -> None:
        mails = mailserver.MailServer({"EHLO": "502 what?"})
        await self.connector(self.listen(mails), 1).deliver("bob@example.com", letter())
        self.assertEqual(len(mails.mails), 1)

    async def test_international_domain_is_written_in_ascii(self) -> None:
        mails = mailserver.MailServer()
        await self.connector(self.listen(mails)).deliver("bob@bücher.example", letter())
        self.assertEqual(mails.mails[0].recipient, "TO:<bob@xn--bcher-kva.example>")
        self.assertIn(b"To: bob@xn--bcher-kva.example\r\n", mails.mails[0].data)

    async def test_international_mailbox_needs_a_server_that_knows_it(self) -> None:
        mails = mailserver.MailServer(extensions="SMTPUTF8")
        await self.connector(self.listen(mails)).deliver("märchen@example.com", letter())
        self.assertEqual(mails.mails[0].sender, "FROM:<is@example.org> SMTPUTF8")
        self.assertEqual(mails.mails[0].recipient, "TO:<märchen@example.com>")
        self.assertIn("To: märchen@example.com\r\n".encode(), mails.mails[0].data)
        failure = await self.failure(self.connector(self.listen(mailserver.MailServer())), "märchen@example.com")
        self.assertTrue(failure.permanent)

    async def test_address_that_is_several(self) -> None:
        mails = mailserver.MailServer()
        connector = self.connector(self.listen(mails))
        for address in ("a@evil.example@good.example", "a@b.c>\r\nRCPT TO:<d@e.f", "a@b.c,d@e.f", "nobody"):
            self.assertTrue((await self.failure(connector, address)).permanent)
        self.assertEqual(mails.lines, [])


class RefusalTests(SmtpCase):
    async def answered(self, verb: str, answer: str, **more: Any) -> SendFailed:
        mails = mailserver.MailServer({verb: answer})
        failure = await self.failure(self.connector(self.listen(mails), **more))
        self.assertEqual(mails.mails, [])
        return failure

    async def test_permanent(self) -> None:
        for verb in ("MAIL", "RCPT", "DATA", "."):
            failure = await self.answered(verb, "550-5.1.1 no\r\n550 such mailbox")
            self.assertTrue(failure.permanent, verb)
            self.assertIn("550 5.1.1 no such mailbox", str(failure))

    async def test_temporary(self) -> None:
        for verb in ("MAIL", "RCPT", "DATA", "."):
            failure = await self.answered(verb, "451 try again later")
            self.assertFalse(failure.permanent, verb)
            self.assertIn("451 try again later", str(failure))

    async def test_what_the_administrator_can_put_right_is_temporary(self) -> None:
        for verb, answer in (
            ("CONNECT", "554 go away"),
            ("EHLO", "550 who are you?"),
            ("MAIL", "530 5.7.0 authentication required"),
        ):
            more = {"tls": 2} if verb == "EHLO" else {}
            self.assertFalse((await self.answered(verb, answer, **more)).permanent, verb)

    async def test_connection_lost_or_nonsense(self) -> None:
        for verb in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."):
            for answer in ("HANG UP", "nonsense", "999 nonsense"):
                if (verb, answer) == ("EHLO", "999 nonsense"):
                    continue  # an old server, which is greeted again with HELO
                self.assertFalse((await self.answered(verb, answer)).permanent, (verb, answer))

    async def test_whether_the_message_was_handed_over(self) -> None:
        for answer in ("HANG UP", "nonsense", "999 nonsense", "354 go on"):
            failure = await self.answered(".", answer)
            self.assertTrue(failure.handed_over, answer)
            self.assertIn("handed over", str(failure))
        for answer in ("451 try again later", "550 no"):
            self.assertFalse((await self.answered(".", answer)).handed_over, answer)
        for verb in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA"):
            self.assertFalse((await self.answered(verb, "HANG UP")).handed_over, verb)

    async def test_answer_that_is_too_long(self) -> None:
        answer = "\r\n".join(["220-welcome" + "e" * 1000] * 1000)
        self.assertIn("too long", str(await self.answered("CONNECT", answer)))

    async def test_connection_lost_in_the_middle_of_the_message(self) -> None:
        for tls in (0, 2):
            connector = self.connector(self.listen(_Torn(tls=self.authority.issue(HOST))), tls)
            with self.assertRaises(SendFailed) as raised:
                await connector.deliver("bob@example.com", letter("A line of many.\n" * 500_000))
            self.assertEqual((raised.exception.permanent, raised.exception.handed_over), (False, False))

    async def test_nobody_listens(self) -> None:
        server = Server(reactor, mailserver.MailServer())
        await server.stop()
        failure = await self.failure(self.connector(server))
        self.assertFalse(failure.permanent)
        self.assertIn("cannot reach the mail server", str(failure))


class _Torn(mailserver.MailServer):
    """Closes the connection when the message begins."""

    def take(self, session: Any) -> None:
        session.transport.abortConnection()


class _Turned:
    """The reactor with a clock that the test turns."""

    def __init__(self) -> None:
        self.clock = task.Clock()
        self.callLater = self.clock.callLater
        self.seconds = self.clock.seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)


class _Dripping(Protocol):
    """Never comes to the end of its greeting."""

    def connectionMade(self) -> None:
        self.drip = task.LoopingCall(self._drip)
        self.drip.start(0.001)

    def _drip(self) -> None:
        assert self.transport is not None
        self.transport.write(b"220-and\r\n")

    def connectionLost(self, reason: Any = None) -> None:
        self.drip.stop()


class HangingTests(SmtpCase):
    async def delivered_by(self, factory: Any) -> SendFailed | None:
        """How a delivery to a hanging server ends, as time flies."""
        turned = _Turned()
        connector = self.connector(self.listen(factory), using=turned)
        delivery = Deferred.fromCoroutine(connector.deliver("bob@example.com", letter()))
        while not delivery.called:
            await task.deferLater(reactor, 0.01)
            turned.clock.advance(GOODBYE_TIMEOUT)
        try:
            await delivery
        except SendFailed as failure:
            return failure
        return None

    def begun(self, factory: Any, using: Any = reactor) -> Deferred[None]:
        """A delivery under way."""
        connector = self.connector(self.listen(factory), using=using)
        return Deferred.fromCoroutine(connector.deliver("bob@example.com", letter()))

    async def traced(self, beginning: str) -> None:
        """Wait for a line of the conversation."""
        while not any(line.startswith(beginning) for line in self.trace):
            await task.deferLater(reactor, 0.001)
        del self.trace[:]

    async def test_no_answer(self) -> None:
        for verb, seconds in (("CONNECT", 20), ("EHLO", 20), ("RCPT", 20), (".", 600)):
            failure = await self.delivered_by(mailserver.MailServer({verb: ""}))
            assert failure is not None
            self.assertFalse(failure.permanent)
            self.assertIn(f"no answer within {seconds} seconds", str(failure))
            self.assertEqual(failure.handed_over, verb == ".")

    async def test_slow_outcome(self) -> None:
        turned, mails = _Turned(), mailserver.MailServer({".": ""})
        delivery = self.begun(mails, turned)
        await self.traced("> .")
        turned.clock.advance(OUTCOME_TIMEOUT - 1)
        mails.sessions[0].sendLine(b"250 at last")
        await delivery

    async def test_endless_outcome(self) -> None:
        turned, mails = _Turned(), mailserver.MailServer({".": ""})
        delivery = self.begun(mails, turned)
        await self.traced("> .")
        while not delivery.called:
            mails.sessions[0].sendLine(b"250-wait")
            await task.deferLater(reactor, 0.001)
            turned.clock.advance(10)
        with self.assertRaises(SendFailed) as raised:
            await delivery
        self.assertTrue(raised.exception.handed_over)

    async def test_given_up_by_the_caller(self) -> None:
        for verb, last in (("EHLO", "> EHLO"), ("RCPT", "> RCPT"), ("DATA", "> DATA")):
            delivery = self.begun(mailserver.MailServer({verb: ""}))
            await self.traced(last)
            delivery.cancel()
            with self.assertRaises(CancelledError):
                await delivery
        delivery = self.begun(mailserver.MailServer({".": ""}))
        await self.traced("> .")
        delivery.cancel()
        with self.assertRaises(SendFailed) as raised:
            await delivery
        self.assertTrue(raised.exception.handed_over)

    async def test_given_up_when_all_is_done(self) -> None:
        delivery = self.begun(mailserver.MailServer({"QUIT": ""}))
        await self.traced("> QUIT")
        delivery.cancel()
        await delivery

    async def test_endless_answer(self) -> None:
        failure = await self.delivered_by(Factory.forProtocol(_Dripping))
        assert failure is not None
        self.assertFalse(failure.permanent)
        self.assertIn("not done within 60 seconds", str(failure))

    async def test_no_goodbye(self) -> None:
        mails = mailserver.MailServer({"QUIT": ""})
        self.assertIsNone(await self.delivered_by(mails))
        self.assertEqual(len(mails.mails), 1)


class TlsTests(SmtpCase):
    async def test_offered_and_used(self) -> None:
        for tls in (1, 2):
            mails = mailserver.MailServer(tls=self.authority.issue(HOST))
            await self.connector(self.listen(mails), tls).deliver("bob@example.com", letter())
            self.assertEqual([line.split()[0] for line in mails.lines[:3]], ["EHLO", "STARTTLS", "EHLO"])
            self.assertEqual(len(mails.mails), 1)

    async def test_offered_in_small_letters(self) -> None:
        mails = mailserver.MailServer({"EHLO": "250-mail\r\n250 starttls"}, tls=self.authority.issue(HOST))
        await self.connector(self.listen(mails), 1).deliver("bob@example.com", letter())
        self.assertIn("STARTTLS", mails.lines)

    async def test_offered_and_not_wanted(self) -> None:
        mails = mailserver.MailServer(tls=self.authority.issue(HOST))
        await self.connector(self.listen(mails), 0).deliver("bob@example.com", letter())
        self.assertNotIn("STARTTLS", mails.lines)

    async def test_not_offered(self) -> None:
        mails = mailserver.MailServer()
        await self.connector(self.listen(mails), 1).deliver("bob@example.com", letter())
        self.assertEqual(len(mails.mails), 1)
        failure = await self.failure(self.connector(self.listen(mails), 2))
        self.assertFalse(failure.permanent)
        self.assertEqual(len(mails.mails), 1)

    async def test_from_the_start(self) -> None:
        mails = mailserver.MailServer()
        server = self.listen(mails, self.authority.issue(HOST))
        await self.connector(server, 3).deliver("bob@example.com", letter())
        self.assertEqual(len(mails.mails), 1)

    async def test_wrong_certificate(self) -> None:
        stranger = Authority(Path(self.mktemp()))
        for certificate, reason, curable in (
            (self.authority.issue("other.example"), "another host", True),
            (self.authority.issue(HOST, days=-1), "certificate verify failed: it has expired", False),
            (stranger.issue(HOST), "certificate verify failed: the authority that signed it", True),
        ):
            for tls in (1, 2, 3):
                mails = mailserver.MailServer(tls=None if tls == 3 else certificate)
                server = self.listen(mails, certificate if tls == 3 else None)
                failure = await self.failure(self.connector(server, tls, login="user", password="secret"))
                self.assertFalse(failure.permanent)
                self.assertIn(reason, str(failure))
                self.assertEqual("outbound.caFile" in str(failure), curable)
                self.assertIn("tlsVerify", str(failure))
                self.assertEqual(mails.mails, [])

    async def test_wrong_certificate_where_not_all_of_it_counts(self) -> None:
        stranger = Authority(Path(self.mktemp()))
        verifications: tuple[TlsVerification, ...] = ("full", "chain", "none")
        for certificate, taken in (
            (self.authority.issue(HOST), ("full", "chain", "none")),
            (self.authority.issue("other.example"), ("chain", "none")),
            (self.authority.issue(HOST, days=-1), ("none",)),
            (stranger.issue(HOST), ("none",)),
        ):
            for verify in verifications:
                mails = mailserver.MailServer(tls=certificate)
                connector = self.connector(self.listen(mails), 2, verify=verify)
                if verify in taken:
                    await connector.deliver("bob@example.com", letter())
                else:
                    await self.failure(connector)
                self.assertEqual(len(mails.mails), int(verify in taken))

    async def test_refused_when_it_comes_to_it(self) -> None:
        mails = mailserver.MailServer({"STARTTLS": "454 not now"}, tls=self.authority.issue(HOST))
        self.assertFalse((await self.failure(self.connector(self.listen(mails), 1))).permanent)
        self.assertEqual(mails.mails, [])

    async def test_what_is_slipped_in_before_tls_is_not_heard(self) -> None:
        # After the answer, in the same packet, comes what pretends to be the server's EHLO answer within TLS.
        mails = mailserver.MailServer(
            {"STARTTLS": "220 go on\r\n250-injected\r\n250 AUTH LOGIN"}, tls=self.authority.issue(HOST)
        )
        await self.connector(self.listen(mails), 2).deliver("bob@example.com", letter())
        self.assertEqual(len(mails.mails), 1)
        self.assertFalse(any("injected" in line for line in self.trace), self.trace)


class AuthenticationTests(SmtpCase):
    async def login(self, mechanisms: str, tls: int = 0) -> list[str]:
        """What is said to a server that offers these mechanisms, from AUTH on."""
        mails = mailserver.MailServer(extensions=f"AUTH {mechanisms}", tls=self.authority.issue(HOST) if tls else None)
        connector = self.connector(self.listen(mails), tls, login="üser", password="geheim")
        await connector.deliver("bob@example.com", letter())
        self.assertEqual(len(mails.mails), 1)
        return mails.lines[[line[:4] for line in mails.lines].index("AUTH") :]

    def decoded(self, line: str) -> bytes:
        return base64.b64decode(line.rpartition(" ")[2])

    async def test_plain_where_nobody_can_listen(self) -> None:
        line = (await self.login("CRAM-MD5 LOGIN PLAIN", 2))[0]
        self.assertTrue(line.startswith("AUTH PLAIN "))
        self.assertEqual(self.decoded(line).split(b"\0"), [b"", "üser".encode(), b"geheim"])

    async def test_digest_where_somebody_could(self) -> None:
        command, answer = (await self.login("PLAIN LOGIN CRAM-MD5"))[:2]
        self.assertEqual(command, "AUTH CRAM-MD5")
        digest = hmac.new(b"geheim", b"<1@mail.example.org>", "md5").hexdigest()
        self.assertEqual(self.decoded(answer), f"üser {digest}".encode())

    async def test_login(self) -> None:
        command, user, password = (await self.login("LOGIN", 2))[:3]
        self.assertEqual(command, "AUTH LOGIN")
        self.assertEqual((self.decoded(user), self.decoded(password)), ("üser".encode(), b"geheim"))

    async def test_credentials_are_not_shown(self) -> None:
        for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
            said = await self.login(mechanism)
            secrets = [line.rpartition(" ")[2] for line in said[: said.index("MAIL FROM:<is@example.org>")]]
            shown = "\n".join(self.trace)
            self.assertIn(f"> AUTH {mechanism}", shown)
            for secret in secrets:
                self.assertTrue(secret == mechanism or secret not in shown, secret)

    async def test_declined(self) -> None:
        for answer in ("535 5.7.8 wrong", "454 not now"):
            mails = mailserver.MailServer({"AUTH": answer}, extensions="AUTH PLAIN")
            failure = await self.failure(self.connector(self.listen(mails), login="user", password="secret"))
            self.assertFalse(failure.permanent)
            self.assertIn(answer, str(failure))
            self.assertNotIn("secret", str(failure))
            # Who fails too often is locked out.
            self.assertEqual(sum(line.startswith("AUTH") for line in mails.lines), 1)

    async def test_offered_after_starttls_only(self) -> None:
        mails = mailserver.MailServer(tls=self.authority.issue(HOST))
        failure = await self.failure(self.connector(self.listen(mails), login="user", password="secret"))
        self.assertFalse(failure.permanent)
        self.assertIn("it offers no authentication before STARTTLS; set tls to 1 or 2", str(failure))
        self.assertEqual([line for line in mails.lines if line.startswith("AUTH")], [])

    async def test_senseless_challenge(self) -> None:
        mails = mailserver.MailServer({"AUTH": "334 ???"}, extensions="AUTH CRAM-MD5")
        failure = await self.failure(self.connector(self.listen(mails), login="user", password="secret"))
        self.assertFalse(failure.permanent)
        self.assertIn("CRAM-MD5", str(failure))

    async def test_not_offered(self) -> None:
        for extensions in ("", "AUTH GSSAPI"):
            mails = mailserver.MailServer(extensions=extensions)
            failure = await self.failure(self.connector(self.listen(mails), login="user", password="secret"))
            self.assertFalse(failure.permanent)
            self.assertEqual(mails.mails, [])
