"""Providers that take messages by HTTP: stubs of them, which answer as their documentation says."""

from __future__ import annotations

from email.headerregistry import Address
from typing import Any
from urllib.parse import parse_qs
from xml.etree import ElementTree

from msgspec import json
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from mxisd.net.dns import Resolver
from mxisd.net.http_client import HttpClient
from mxisd.net.networks import ANYWHERE
from mxisd.net.tls import Trust
from mxisd.notify.gateway import GatewayConnector
from mxisd.notify.mail import MailTemplate
from mxisd.notify.notifier import SendFailed
from mxisd.notify.sendgrid import SendGridConnector
from mxisd.notify.twilio import TwilioConnector
from mxisd.reactor import installed_reactor
from tests.net.servers import Server, site
from tests.notify.hostile import NAMES

reactor = installed_reactor()


class Request:
    """What a stub was asked."""

    def __init__(self, request: Any) -> None:
        self.method = request.method.decode()
        self.path = request.path.decode()
        self.query = parse_qs(request.uri.decode().partition("?")[2])
        self.headers = request.requestHeaders
        self.body = request.content.read()

    def header(self, name: str) -> str | None:
        return (self.headers.getRawHeaders(name) or [None])[0]  # type: ignore[no-any-return]


class ProviderCase(TestCase):
    def setUp(self) -> None:
        self.requests: list[Request] = []
        self.status, self.body = 200, b""
        self.server = Server(reactor, site(self.answer))
        self.addCleanup(lambda: Deferred.fromCoroutine(self.server.stop()))
        self.http = HttpClient(reactor, Resolver(reactor, [("127.0.0.1", 9)]), Trust(), ANYWHERE)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.http.close()))
        self.url = f"http://127.0.0.1:{self.server.port}"

    def answer(self, request: Any) -> bytes:
        self.requests.append(Request(request))
        request.setResponseCode(self.status)
        return self.body

    async def refused(self, connector: Any, content: Any, status: int, body: bytes = b"") -> SendFailed:
        self.status, self.body = status, body
        try:
            await connector.deliver("15551234567" if isinstance(content, str) else "bob@example.com", content)
        except SendFailed as failure:
            return failure
        raise self.failureException("the message was sent")


class TwilioTests(ProviderCase):
    def connector(self, number: str = "+15557654321") -> TwilioConnector:
        return TwilioConnector(self.http, "AC123", "top:secret", number, self.url)

    async def test_request(self) -> None:
        self.status, self.body = 201, b'{"sid": "SM1", "status": "queued", "error_code": null}'
        await self.connector().deliver("491701234567", "Grüße & Küsse: 123456 +%")
        (request,) = self.requests
        self.assertEqual((request.method, request.path), ("POST", "/2010-04-01/Accounts/AC123/Messages.json"))
        self.assertEqual(request.header("Authorization"), "Basic QUMxMjM6dG9wOnNlY3JldA==")
        self.assertEqual(request.header("Content-Type"), "application/x-www-form-urlencoded")
        self.assertEqual(
            parse_qs(request.body.decode()),
            {"To": ["+491701234567"], "From": ["+15557654321"], "Body": ["Grüße & Küsse: 123456 +%"]},
        )

    async def test_messaging_service(self) -> None:
        await self.connector("MG456").deliver("491701234567", "Hello")
        self.assertEqual(parse_qs(self.requests[0].body.decode())["MessagingServiceSid"], ["MG456"])

    async def test_errors(self) -> None:
        invalid = json.encode({"code": 21211, "message": "Invalid 'To' Phone Number", "status": 400})
        failure = await self.refused(self.connector(), "Hello", 400, invalid)
        self.assertTrue(failure.permanent)
        self.assertIn("Invalid 'To' Phone Number (error 21211)", str(failure))
        for status, body in (
            (401, json.encode({"code": 20003, "message": "Authenticate", "status": 401})),
            (429, json.encode({"code": 20429, "message": "Too Many Requests", "status": 429})),
            (503, b"<h1>Service\nUnavailable</h1>"),
            (302, b""),
        ):
            failure = await self.refused(self.connector(), "Hello", status, body)
            self.assertFalse(failure.permanent)
            self.assertNotIn("secret", str(failure))
        self.assertIn(
            "503: <h1>Service Unavailable</h1>",
            str(await self.refused(self.connector(), "Hello", 503, b"<h1>Service\nUnavailable</h1>")),
        )

    async def test_nobody_there(self) -> None:
        await self.server.stop()
        self.assertFalse((await self.refused(self.connector(), "Hello", 200)).permanent)


class SendGridTests(ProviderCase):
    def connector(self) -> SendGridConnector:
        return SendGridConnector(self.http, "SG.key", Address("Ünser Server", addr_spec="is@example.org"), self.url)

    async def test_request(self) -> None:
        self.status = 202
        letter = MailTemplate.of("Grüße an %NAME%", "Text: %NAME%", "<b>%NAME%</b>").render({"NAME": "A & B"})
        await self.connector().deliver("bob@bücher.example", letter)
        (request,) = self.requests
        self.assertEqual((request.method, request.path), ("POST", "/v3/mail/send"))
        self.assertEqual(request.header("Authorization"), "Bearer SG.key")
        self.assertEqual(request.header("Content-Type"), "application/json")
        body = json.decode(request.body)
        self.assertEqual(body["personalizations"], [{"to": [{"email": "bob@xn--bcher-kva.example"}]}])
        self.assertEqual(body["from"], {"email": "is@example.org", "name": "Ünser Server"})
        self.assertEqual(body["subject"], "Grüße an A & B")
        self.assertEqual(
            body["content"],
            [{"type": "text/plain", "value": "Text: A & B\n"}, {"type": "text/html", "value": "<b>A &amp; B</b>\n"}],
        )
        self.assertFalse(body["tracking_settings"]["click_tracking"]["enable"])

    async def test_only_html(self) -> None:
        await self.connector().deliver("bob@example.com", MailTemplate.of("Hi", "", "<p>Hi</p>").render({}))
        self.assertEqual([part["type"] for part in json.decode(self.requests[0].body)["content"]], ["text/html"])

    async def test_errors(self) -> None:
        letter = MailTemplate.of("Hi", "Hi", "").render({})
        problem = {"message": "Does not contain a valid address.", "field": "personalizations.0.to.0.email"}
        failure = await self.refused(self.connector(), letter, 400, json.encode({"errors": [problem]}))
        self.assertTrue(failure.permanent)
        self.assertIn("400: Does not contain a valid address.", str(failure))
        for status in (401, 403, 429, 500, 503):
            self.assertFalse((await self.refused(self.connector(), letter, status, b'{"errors": []}')).permanent)


class GatewayTests(ProviderCase):
    async def sent(self, text: str, url: str = "/send", **more: Any) -> Request:
        await GatewayConnector(self.http, self.url + url, **more).deliver("491701234567", text)
        return self.requests[-1]

    async def test_json(self) -> None:
        body = '{"to": "+%RECIPIENT_ADDRESS%", "text": "%TEXT%", "n": 100}'
        for text in [*NAMES, 'A "quoted" \\ text\n']:
            text = text.replace("\ud800", "")
            request = await self.sent(text, headers={"Content-Type": "application/json; charset=utf-8"}, body=body)
            self.assertEqual(json.decode(request.body), {"to": "+491701234567", "text": text, "n": 100})
        self.assertEqual((request.method, request.path), ("POST", "/send"))
        self.assertEqual(request.header("Content-Type"), "application/json; charset=utf-8")

    async def test_form(self) -> None:
        headers = {"content-type": "application/x-www-form-urlencoded", "X-Api-Key": "key"}
        request = await self.sent("a=1&b=%2", headers=headers, method="PUT", body="to=%RECIPIENT_ADDRESS%&text=%TEXT%")
        self.assertEqual(parse_qs(request.body.decode()), {"to": ["491701234567"], "text": ["a=1&b=%2"]})
        self.assertEqual((request.method, request.header("X-Api-Key")), ("PUT", "key"))

    async def test_xml(self) -> None:
        body = "<sms to='%RECIPIENT_ADDRESS%' text='%TEXT%'>%TEXT%</sms>"
        text = "'/><sms \"&amp;]]>"
        request = await self.sent(text, headers={"Content-Type": "application/xml"}, body=body)
        parsed = ElementTree.fromstring(request.body)  # noqa: S314  # it is ours
        self.assertEqual((parsed.tag, parsed.text, parsed.get("text")), ("sms", text, text))

    async def test_text(self) -> None:
        self.assertEqual((await self.sent("<ü&", body="%TEXT%!")).body, "<ü&!".encode())

    async def test_query(self) -> None:
        request = await self.sent("a b&to=1#ü", url="/send?to=%RECIPIENT_ADDRESS%&text=%TEXT%", method="GET")
        self.assertEqual((request.method, request.query), ("GET", {"to": ["491701234567"], "text": ["a b&to=1#ü"]}))
        self.assertEqual(request.body, b"")

    async def test_errors(self) -> None:
        connector = GatewayConnector(self.http, f"{self.url}/send?key=secret", body="%TEXT%")
        for status, permanent in ((400, True), (422, True), (401, False), (404, False), (429, False), (500, False)):
            failure = await self.refused(connector, "Hello", status, b"no such\nnumber")
            self.assertEqual(failure.permanent, permanent, status)
            self.assertIn("no such number", str(failure))
            self.assertNotIn("secret", str(failure))
