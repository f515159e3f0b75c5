"""Emails as whoever gets them sees them: made, turned into bytes, and parsed again."""

from __future__ import annotations

from collections.abc import Mapping
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from mxisd.config import Config
from mxisd.config.matrix import Matrix
from mxisd.matrix.threepid import ThreePid
from mxisd.notify.mail import MailTemplate, address
from mxisd.notify.messages import InviteMessage, MatrixIdInvite, Message, MessageContext, Reminder, Validation, values
from mxisd.notify.samples import names, samples
from mxisd.notify.template import Template, TemplateError, read
from mxisd.notify.wordings import mail_templates
from tests.notify.hostile import NAMES

SITE = MessageContext(
    domain="example.org", public_url="https://id.example.org", from_email="is@example.org", from_name="Ünser Server"
)
BOB = ThreePid("email", "bob@example.com")
BUILT_IN = mail_templates(Config(matrix=Matrix(domain="example.org")))

# As those of mxisd: nested parts, tabs in headers, and percent signs doubled in the HTML.
OF_MXISD = """\
Subject: %SENDER_NAME_OR_ID% invites to %ROOM_NAME_OR_ID%
Reply-To: "%SENDER_NAME%" <%FROM_EMAIL%>
X-Room: %ROOM_ID%
From: nobody@example.net
Bcc: nobody@example.net
MIME-Version: 1.0
Content-Type: multipart/alternative;
\tboundary="part"

--part
Content-Type: text/plain; charset=UTF-8
Content-Disposition: inline

Hi, %SENDER_NAME_OR_ID% invites you to [%ROOM_NAME_OR_ID%]: 100%% fun!

--part
Content-Type: multipart/related;
\tboundary="inner";
\ttype="text/html"

--inner
Content-Type: text/html; charset=UTF-8
Content-Disposition: inline

<!doctype html>
<html lang="en">
<head><title>%ROOM_NAME%</title><style>#page { width: 100%%; }</style></head>
<body><img src="cid:logo" alt="%DOMAIN_PRETTY%">
<p title="%ROOM_NAME_OR_ID%">%SENDER_NAME_OR_ID% invites you to <a href="https://x/?q=%ROOM_ID_URL_ENCODED%">%ROOM_NAME%</a></p>
</body></html>

--inner
Content-Type: image/png
Content-Transfer-Encoding: base64
Content-ID: <logo>
Content-Disposition: inline; filename="logo.png"

iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==
--inner--

--part--
"""


class _Tags(HTMLParser):
    """Tags with the names of their attributes, and all text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}",))

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", data))

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile(name: str) -> list[Message]:
    """Messages in which all that a stranger can choose is one text."""
    invite = InviteMessage(samples(BOB, SITE)["invite"].invite).invite  # type: ignore[attr-defined]
    fields: dict[str, object] = dict.fromkeys((*invite.fields, "room_type", "org.matrix.web_client_location"), name)
    invite = replace(invite, fields=fields, room_id=f"!{name}:example.org", sender=f"@{name}:example.org")
    return [
        InviteMessage(invite),
        Reminder(invite, expires=0),
        MatrixIdInvite(
            threepid=BOB, recipient=f"@{name}:x", sender=f"@{name}:x", sender_name=name, room_id=name, room_name=name
        ),
        Validation(threepid=BOB, token="token", link="https://id.example.org/x?a=b&c=d", next_link=name),
    ]


def sent(template: Template[EmailMessage], given: Mapping[str, str]) -> tuple[bytes, EmailMessage]:
    """What goes over the wire, and what is read there."""
    message = template.render(given)
    address(message, Address(SITE.from_name, addr_spec=SITE.from_email), BOB.address, 0, "reference")
    data = message.as_bytes()
    return data, message_from_bytes(data, policy=policy.default)


def reply_to(message: EmailMessage) -> list[str]:
    return [each.addr_spec for header in message.get_all("Reply-To", []) for each in header.addresses]


class HostileNameTests(SynchronousTestCase):
    def setUp(self) -> None:
        known = names(BOB, SITE)
        self.templates = [(kind, translations.best("").template) for kind, translations in BUILT_IN.items()]
        self.templates += [
            (kind, MailTemplate.parse(Path("own.eml"), OF_MXISD, known[kind])) for kind in ("invite", "invite.reminder")
        ]

    def test_corpus(self) -> None:
        for name in NAMES:
            self.check(name)

    @settings(deadline=None)
    @given(st.text(max_size=200))
    def test_any_text(self, name: str) -> None:
        self.check(name)

    def check(self, name: str) -> None:
        messages = {message.kind: message for message in hostile(name)}
        for kind, template in self.templates:
            if kind in messages:
                self.check_message(template, values(samples(BOB, SITE)[kind], SITE), values(messages[kind], SITE))

    def check_message(self, template: Template[EmailMessage], usual: dict[str, str], given: dict[str, str]) -> None:
        _, expected = sent(template, usual)
        data, message = sent(template, given)
        self.assertRegex(data, rb"\A([\t\x20-\x7e]{0,998}\r\n)*\Z")
        self.assertEqual(message.keys(), expected.keys())
        self.assertEqual((message["From"], message["To"]), (expected["From"], expected["To"]))
        self.assertEqual(reply_to(message), reply_to(expected))
        meant = template.render(given)
        for header in ("Subject", "X-Room"):
            # Where a header is folded, spaces may come and go.
            self.assertEqual(*("".join(str(each[header]).split()) for each in (message, meant)))
        for parts in zip(message.walk(), expected.walk(), strict=True):
            self.assertEqual(*(part.get_content_type() for part in parts))
            self.assertEqual(parts[0].defects, [])
            if parts[0].get_content_type() == "text/html":
                shown, usually = (_Tags(part.get_content()) for part in parts)
                self.assertEqual(shown.tags, usually.tags)
            if not parts[0].is_multipart():
                text = str(parts[0].get_content())
                self.assertNotRegex(text, "[\u202a-\u202e\u2066-\u2069\0\x1b]")
                self.assertLess(len(text), 30000)
        self.assertTrue(all(len(line) < 500 for line in str(message["Subject"]).splitlines()))


class MailTemplateTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.values = values(samples(BOB, SITE)["invite"], SITE)
        self.told: list[str] = []

    def load(self, text: str, encoding: str = "utf-8") -> MailTemplate:
        path = self.folder / "own.eml"
        path.write_text(text, encoding=encoding)
        return MailTemplate.parse(path, read(path), self.values.keys(), self.told.append)

    def shown(self, template: MailTemplate, **more: str) -> EmailMessage:
        return sent(template, self.values | more)[1]

    def refused(self, text: str) -> str:
        with self.assertRaises(TemplateError) as raised:
            self.load(text)
        return str(raised.exception).replace(f"{self.folder}/", "")

    def test_structure_and_headers_are_kept(self) -> None:
        message = self.shown(self.load(OF_MXISD))
        self.assertEqual(message["Subject"], "Alice Liddell invites to Gardens of Kyoto")
        self.assertEqual(message["Reply-To"], "Alice Liddell <is@example.org>")
        self.assertEqual(message["X-Room"], "!aGardenInKyoto:example.org")
        self.assertEqual(message["From"], "Ünser Server <is@example.org>")
        self.assertEqual(message["MIME-Version"], "1.0")
        self.assertNotIn("Bcc", message)
        self.assertEqual(
            [part.get_content_type() for part in message.walk()],
            ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"],
        )
        image = list(message.walk())[-1]
        self.assertEqual((image["Content-ID"], image.get_filename()), ("<logo>", "logo.png"))
        self.assertTrue(image.get_content().startswith(b"\x89PNG"))

    def test_values_are_escaped_for_where_they_stand(self) -> None:
        message = self.shown(self.load(OF_MXISD), ROOM_NAME="<b>&", ROOM_NAME_OR_ID='"x"', SENDER_NAME_OR_ID="Ä & B")
        text, html = (message.get_body((subtype,)).get_content() for subtype in ("plain", "html"))  # type: ignore[union-attr]
        self.assertIn('Ä & B invites you to ["x"]: 100% fun!', text)
        self.assertIn('title="&quot;x&quot;">Ä &amp; B invites', html)
        self.assertIn(">&lt;b&gt;&amp;</a>", html)
        self.assertIn("?q=%21aGardenInKyoto%3Aexample.org", html)
        self.assertIn("width: 100%;", html)
        self.assertEqual(message["Subject"], 'Ä & B invites to "x"')

    def test_subject_in_any_form(self) -> None:
        for subject in (
            "Einladung für %DOMAIN%",
            "=?utf-8?q?Einladung_f=C3=BCr_=25DOMAIN=25?=",
            "Einladung\n für %DOMAIN%",
        ):
            self.assertEqual(self.shown(self.load(f"Subject: {subject}\n\nHi"))["Subject"], "Einladung für example.org")

    def test_encoded_texts(self) -> None:
        head = "Subject: x\nContent-Type: text/plain; charset={}\nContent-Transfer-Encoding: {}\n\n{}\n"
        for charset, encoding, body in (
            ("utf-8", "8bit", "Grüße, %DOMAIN%"),
            ("utf-8", "base64", "R3LDvMOfZSwgJURPTUFJTiU="),
            ("iso-8859-1", "quoted-printable", "Gr=FC=DFe, %DOMAIN%"),
        ):
            message = self.shown(self.load(head.format(charset, encoding, body)))
            self.assertEqual(message.get_content().strip(), "Grüße, example.org")
        message = self.shown(self.load("Subject: x\n\nGrüße, %DOMAIN%"))
        self.assertEqual(message.get_content().strip(), "Grüße, example.org")
        message = self.shown(self.load("Subject: x\r\n\r\nGrüße, %DOMAIN%\r\n", "utf-8-sig"))
        self.assertEqual(message.get_content().strip(), "Grüße, example.org")

    def test_unknown_placeholders(self) -> None:
        text = "Subject: %DOMAIN%\nContent-Type: text/html\n\n<p>%ROOM_NAME%\n<p>%ROOM_NAMES%\n"
        self.assertIn(
            "<p>Gardens of Kyoto\n<p>%ROOM_NAMES%", self.shown(self.load(text)).get_content().replace("\r", "")
        )
        self.load("Subject: %FOO%\n\n")
        self.load("Subject: x\nReply-To: %FOO% <a@b.c>\n\n")
        self.assertEqual(
            [told.partition(", which is sent")[0].removeprefix(f"{self.folder}/own.eml, ") for told in self.told],
            [
                "line 5: unknown placeholder %ROOM_NAMES%",
                "line 1: unknown placeholder %FOO%",
                "line 2: unknown placeholder %FOO%",
            ],
        )

    def test_what_looks_like_a_placeholder(self) -> None:
        text = "100% of 50%, width:20%;height:20%; %e4%20 %E4%B8%AD %C3%84%20 %lower% %A% %DOMAIN%%DOMAIN% %%DOMAIN% %%"
        message = self.shown(self.load(f"Subject: x\n\n{text}"))
        self.assertEqual(message.get_content().strip(), text.replace("%DOMAIN%", "example.org").removesuffix("%"))

    def test_not_a_message(self) -> None:
        message = self.shown(self.load("Hello, %DOMAIN%!"))
        self.assertEqual((message["Subject"], message.get_content().strip()), (None, "Hello, example.org!"))
        self.assertIn("has no Subject header", self.told[-1])
        self.assertIn("one Subject header", self.refused("Subject: a\nSubject: b\n\nHi"))
        self.assertIn("boundary", self.refused("Subject: a\nContent-Type: multipart/mixed; boundary=x\n\nHi"))
        charset = "Subject: a\nContent-Type: text/plain; charset={}\n\nä"
        self.assertIn("is not us-ascii, as it says", self.refused(charset.format("us-ascii")))
        self.assertIn("is not klingon, as it says", self.refused(charset.format("klingon")))

    def test_without_a_sender(self) -> None:
        self.assertNotIn("Reply-To", self.load(OF_MXISD).render(self.values | {"FROM_EMAIL": ""}))

    def test_built_in_templates(self) -> None:
        for kind, translations in BUILT_IN.items():
            given = values(samples(BOB, SITE)[kind], SITE)
            message = sent(translations.best("").template, given)[1]
            text, html = (message.get_body((subtype,)).get_content() for subtype in ("plain", "html"))  # type: ignore[union-attr]
            for part in (text, html):
                self.assertIn("example.org", part)
                self.assertNotRegex(part, "%[A-Z_]+%")
            self.assertTrue(all(len(line) <= 78 for line in text.splitlines() if "://" not in line), text)
            for fetched in ("src=", "url(", "<link", "<script", "@import"):
                self.assertNotIn(fetched, html)
            if kind.startswith("invite"):
                for part in (text, html):
                    for shown in ("Alice Liddell", "Gardens of Kyoto", "https://example.org"):
                        self.assertIn(shown, part)
            if kind == "session.validation":
                self.assertIn(given["VALIDATION_LINK"], text)
                self.assertIn(f'href="{given["VALIDATION_LINK"].replace("&", "&amp;")}"', html)

    def test_built_in_templates_say_what_one_is_invited_to(self) -> None:
        invite = InviteMessage(samples(BOB, SITE)["invite"].invite).invite  # type: ignore[attr-defined]
        space = replace(invite, fields={"sender_display_name": "Alice", "room_type": "m.space"})
        anybodys = replace(space, proven=False)
        for shown, to in ((space, "a space by Alice"), (anybodys, "a conversation")):
            for message in (InviteMessage(shown), Reminder(shown, expires=0)):
                mail = sent(BUILT_IN[message.kind].best("").template, values(message, SITE))[1]
                text, html = (mail.get_body((subtype,)).get_content() for subtype in ("plain", "html"))  # type: ignore[union-attr]
                self.assertIn(f"  Invited to: {to}", text.splitlines())
                self.assertIn(f"<bdi>{to}</bdi>", html)
                self.assertNotIn(invite.room_id, text + html)
