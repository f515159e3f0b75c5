"""From a configuration to what is sent."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import json
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from mxisd.config import ConfigError
from mxisd.matrix.threepid import ThreePid
from mxisd.net.http_client import HttpResponse
from mxisd.notify import Notifier, SendFailed, Validation
from mxisd.notify.build import build_notifier
from mxisd.notify.messages import values
from mxisd.notify.samples import samples
from mxisd.notify.template import TemplateError
from mxisd.notify.wordings import mail_site, mail_templates
from mxisd.reactor import installed_reactor
from mxisd.web.pages import Pages
from tests.config.case import ConfigCase
from tests.net.servers import Server
from tests.notify.mailserver import MailServer

reactor = installed_reactor()

ROOT = Path(__file__).parents[2]
EMAIL = ThreePid("email", "bob@example.com")
PHONE = ThreePid("msisdn", "15557654321")
SENDER = "identity: {from: is@example.org, name: Server}"

LOGGED = "threepid: {medium: {email: {connector: log, generators: {template: {%s}}}}}"


class Web:
    """An HTTP client for a web that takes everything."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Mapping[str, str], bytes]] = []

    async def request(
        self, method: str, url: str, *, headers: Any = None, body: Any = None, **_: object
    ) -> HttpResponse:
        self.requests.append((method, url, headers, body))
        return HttpResponse(202, {}, b"", url)


class BuildTests(ConfigCase, TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.web = Web()

    def notifier(self, text: str) -> Notifier:
        return build_notifier(self.config(text), reactor, self.web, os.urandom)

    def validation(self, threepid: ThreePid, accept_language: str = "") -> Validation:
        link = "https://id.example.org/validate"
        return Validation(threepid=threepid, token="123456", link=link, accept_language=accept_language)

    def refused(self, text: str) -> str:
        with self.assertRaises(TemplateError) as raised:
            self.notifier(text)
        return str(raised.exception).replace(f"{self.directory}/", "")

    async def mailed(self, templates: str = "", accept_language: str = "") -> str:
        """A validation mail, as a mail server gets it."""
        mails = MailServer()
        server = Server(reactor, mails)
        self.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        smtp = f"smtp: {{host: 127.0.0.1, port: {server.port}, tls: 0}}"
        text = f"threepid: {{medium: {{email: {{{SENDER}, connectors: {{{smtp}}}, {templates}}}}}}}"
        await self.notifier(text).send(self.validation(EMAIL, accept_language))
        return mails.mails[0].data.decode()

    async def test_nothing_configured(self) -> None:
        notifier = self.notifier("")
        for threepid in (EMAIL, PHONE, ThreePid("carrier-pigeon", "7")):
            with self.assertRaises(SendFailed) as raised:
                await notifier.send(self.validation(threepid))
            self.assertFalse(raised.exception.permanent)
            self.assertIn(f"no connector is configured for the medium {threepid.medium}", str(raised.exception))

    async def test_smtp(self) -> None:
        mail = await self.mailed()
        self.assertIn("From: Server <is@example.org>\r\n", mail)
        self.assertIn("Subject: Verify your email address for example.org\r\n", mail)
        self.assertIn("https://id.example.org/validate", mail)

    async def test_reasons_do_not_name_the_address(self) -> None:
        server = Server(reactor, MailServer({"RCPT": "550 <BOB@example.com>: no such user"}))
        self.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        smtp = f"smtp: {{host: 127.0.0.1, port: {server.port}, tls: 0}}"
        notifier = self.notifier(f"threepid: {{medium: {{email: {{{SENDER}, connectors: {{{smtp}}}}}}}}}")
        with self.assertRaises(SendFailed) as raised:
            await notifier.send(self.validation(EMAIL))
        self.assertTrue(raised.exception.permanent)
        self.assertTrue(str(raised.exception).endswith("550 <(the address)>: no such user"))

    async def test_what_was_handed_over_is_told(self) -> None:
        server = Server(reactor, MailServer({".": "HANG UP"}))
        self.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        smtp = f"smtp: {{host: 127.0.0.1, port: {server.port}, tls: 0}}"
        notifier = self.notifier(f"threepid: {{medium: {{email: {{{SENDER}, connectors: {{{smtp}}}}}}}}}")
        with self.assertRaises(SendFailed) as raised:
            await notifier.send(self.validation(EMAIL))
        self.assertTrue(raised.exception.handed_over)

    def test_senders(self) -> None:
        email = "threepid: {medium: {email: {identity: {from: '%s'}, connectors: {smtp: {host: mail}}}}}"
        for good in ("is@localhost", "is@example.test", "is@bücher.example", "a.b+c@intranet"):
            self.notifier(email % good)
        for bad in ("märchen@example.org", "a..b@example.org"):
            with self.assertRaises(ConfigError) as raised:
                self.notifier(email % bad)
            self.assertIn("threepid.medium.email.identity.from: ", str(raised.exception))

    async def test_own_template_in_two_languages(self) -> None:
        self.write("own.eml", "Subject: Yours\n\nFollow %VALIDATION_LINK%")
        self.write("own.de.eml", "Subject: Deins\n\nFolge %VALIDATION_LINK%")
        templates = "generators: {template: {session: {validation: own.eml}}}"
        self.assertIn("\r\nFollow https://id", await self.mailed(templates))
        self.assertIn("\r\nFolge https://id", await self.mailed(templates, "de-CH, en;q=0.1"))

    async def test_log_and_none(self) -> None:
        notifier = self.notifier("threepid: {medium: {email: {connector: log}, msisdn: {connector: none}}}")
        events: list[str] = []

        @implementer(ILogObserver)
        def observer(event: LogEvent) -> None:
            events.append(str(formatEvent(event)))

        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        await notifier.send(self.validation(EMAIL))
        self.assertTrue(any("bob@example.com" in event and "/validate" in event for event in events))
        del events[:]
        await notifier.send(self.validation(PHONE))
        self.assertFalse(any("123456" in event for event in events))

    async def test_twilio(self) -> None:
        for sid, token in (("account_sid", "auth_token"), ("accountSid", "authToken")):
            twilio = f"twilio: {{{sid}: AC1, {token}: secret, number: '+15550000000'}}"
            notifier = self.notifier(f"threepid: {{medium: {{msisdn: {{connectors: {{{twilio}}}}}}}}}")
            await notifier.send(self.validation(PHONE))
        method, url, _, body = self.web.requests[-1]
        self.assertEqual((method, url), ("POST", "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json"))
        self.assertIn(b"123456", body)

    async def test_gateway(self) -> None:
        notifier = self.notifier(
            """
            threepid:
              medium:
                msisdn:
                  connector: http
                  connectors:
                    http:
                      url: https://sms.example.org/?to=%RECIPIENT_ADDRESS%
                      headers: {Content-Type: application/json, Authorization: Bearer key}
                      body: '{"text": "%TEXT%"}'
                  generators: {template: {session: {validation: own.txt}}}
            """.replace("own.txt", str(self.write("own.txt", 'Your "code" is %VALIDATION_TOKEN%')))
        )
        await notifier.send(self.validation(PHONE))
        method, url, headers, body = self.web.requests[-1]
        self.assertEqual((method, url), ("POST", "https://sms.example.org/?to=15557654321"))
        self.assertEqual(headers["Authorization"], "Bearer key")
        self.assertEqual(json.decode(body), {"text": 'Your "code" is 123456'})

    async def test_sendgrid(self) -> None:
        self.write("own.html", "<p>%VALIDATION_LINK% &amp; %FROM_NAME%")
        notifier = self.notifier(
            """
            notification:
              handler: {email: sendgrid}
              handlers:
                sendgrid:
                  api: {key: SG.key}
                  identity: {from: sg@example.org, name: 'S & G'}
                  templates: {session: {validation: {subject: 'Yours, %DOMAIN%', body: {html: own.html}}}}
            """
        )
        await notifier.send(self.validation(EMAIL))
        _, url, headers, body = self.web.requests[-1]
        self.assertEqual((url, headers["Authorization"]), ("https://api.sendgrid.com/v3/mail/send", "Bearer SG.key"))
        message = json.decode(body)
        self.assertEqual(message["subject"], "Yours, example.org")
        html = {"type": "text/html", "value": "<p>https://id.example.org/validate &amp; S &amp; G\n"}
        self.assertEqual(message["content"], [html])
        # What has no template of its own is sent with ours.
        site = mail_site(self.config())
        await notifier.send(samples(EMAIL, site)["invite"])
        message = json.decode(self.web.requests[-1][3])
        self.assertEqual([part["type"] for part in message["content"]], ["text/plain", "text/html"])

    def test_reminder_is_in_the_words_of_the_invite(self) -> None:
        self.write("own.eml", "Subject: Mine\n\nHello")
        config = self.config(LOGGED % "invite: own.eml")
        given = values(samples(EMAIL, mail_site(config))["invite.reminder"], mail_site(config))
        self.assertEqual(mail_templates(config)["invite.reminder"].best("").template.render(given)["Subject"], "Mine")

    async def test_what_has_no_value_is_sent_as_it_is_and_told(self) -> None:
        self.write("own.eml", "Subject: x\n\n%ROOM_NAME% %VALIDATION_TOKEN%")
        self.write("own.de.eml", "Subject: x\n\n%FOO%")
        templates = "generators: {template: {session: {validation: own.eml}}}"
        self.assertIn("%ROOM_NAME% 123456", await self.mailed(templates))
        said: list[str] = []
        config = self.config(f"threepid: {{medium: {{email: {{connector: log, {templates}}}}}}}")
        build_notifier(config, reactor, self.web, os.urandom, warn=said.append)
        key = "threepid.medium.email.generators.template.session.validation"
        self.assertEqual(
            [text.partition(", which is sent")[0].replace(f"{self.directory}/", "") for text in said],
            [
                f"{key}: own.de.eml, line 3: unknown placeholder %FOO%",
                f"{key}: own.eml, line 3: unknown placeholder %ROOM_NAME%",
            ],
        )

    async def test_the_link_under_its_old_name(self) -> None:
        for text, shown in (
            ("%NEXT_URL%", "https://id.example.org/validate"),
            ("%VALIDATION_TOKEN% %NEXT_URL%", "123456 https://id.example.org/validate"),
            ("%VALIDATION_LINK%", "https://id.example.org/validate"),
        ):
            self.write("own.eml", f"Subject: x\n\nFollow {text}!")
            mail = await self.mailed("generators: {template: {session: {validation: own.eml}}}")
            self.assertIn(f"Follow {shown}!", mail)

    async def test_built_in_templates_by_the_name_they_had(self) -> None:
        mail = await self.mailed("generators: {template: {session: {validation: 'classpath:/threepids/a.eml'}}}")
        self.assertIn("Subject: Verify your email address for example.org\r\n", mail)

    async def test_a_template_that_is_missing(self) -> None:
        templates = "generators: {template: {session: {validation: absent.eml}}}"
        self.assertIn("Subject: Verify your email address for example.org\r\n", await self.mailed(templates))
        warnings = self.config(f"threepid: {{medium: {{email: {{{templates}}}}}}}").warnings
        self.assertIn("template.session.validation: the built-in one is used: expected a file", "".join(warnings))

    async def test_a_medium_without_a_handler(self) -> None:
        for handler in ("{msisdn: raw}", "{email: mailgun}"):
            notifier = self.notifier(f"notification: {{handler: {handler}}}\n{LOGGED % ''}")
            with self.assertRaises(SendFailed) as raised:
                await notifier.send(self.validation(EMAIL))
            self.assertIn("no connector is configured for the medium email", str(raised.exception))

    def test_mistakes_stop_the_start(self) -> None:
        gateway = "{connector: http, connectors: {http: {url: 'https://x', body: '%TEKST%'}}}"
        found = self.refused(f"threepid: {{medium: {{msisdn: {gateway}}}}}")
        self.assertIn("connectors.http.body, line 1: unknown placeholder %TEKST%; there are RECIPIENT_ADDRESS", found)

    def test_placeholders_of_the_administrator(self) -> None:
        self.write("own.eml", "Subject: x\n\n%SUPPORT_URL% %REGISTER_URL%")
        placeholders = "placeholder: {SUPPORT_URL: 'https://help', REGISTER_URL: 'https://app'}"
        self.notifier(LOGGED % f"invite: own.eml, {placeholders}")
        self.write("own.eml", "Subject: x\n\n%my_help2%")
        config = self.config(LOGGED % "invite: own.eml, placeholder: {my_help2: 'https://help'}")
        given = values(samples(EMAIL, mail_site(config))["invite"], mail_site(config))
        self.assertEqual(
            mail_templates(config)["invite"].best("").template.render(given).get_content().strip(), "https://help"
        )


class DocumentationTests(ConfigCase):
    def test_every_example_works(self) -> None:
        text = (ROOT / "docs" / "notifications.md").read_text(encoding="utf-8")
        examples = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
        self.assertGreater(len(examples), 4)
        for example in examples:
            for name in re.findall(r"/etc/mxisd/([\w.-]+)", example):
                self.write(name, "Subject: x\n\n%DOMAIN%" if name.endswith(".eml") else "%DOMAIN%")
            config = self.config(example.replace("/etc/mxisd/", f"{self.directory}/"), SMS_TOKEN="secret")
            self.assertEqual([warning for warning in config.warnings if "without effect" in warning], [])
            build_notifier(config, reactor, Web(), os.urandom)
            Pages(config.view)

    def test_every_placeholder_is_documented(self) -> None:
        text = (ROOT / "docs" / "notifications.md").read_text(encoding="utf-8")
        site = mail_site(self.config())
        for message in samples(EMAIL, site).values():
            for name in values(message, site):
                self.assertIn(f"`{name.removesuffix('_URL_ENCODED')}`", text)
