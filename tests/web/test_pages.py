"""The pages after a validation link was followed, as they are sent."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from mxisd.config.session import OnTokenSubmit, SessionPages, View
from mxisd.matrix.error import MatrixError
from mxisd.notify.template import TemplateError
from mxisd.threepids.next_link import NextLink
from mxisd.web.endpoint import Answer
from mxisd.web.pages import Pages, Proof

ERROR = MatrixError(400, "M_TOKEN_INCORRECT", "<b>wrong</b>")


PROOF = Proof(sid="sid", client_secret="secret", token="token")
NEXT = NextLink("https://app.example.org/", "app.example.org")


def pages(success: Path | None = None, failure: Path | None = None, confirm_page: Path | None = None) -> Pages:
    own = OnTokenSubmit(success=success, failure=failure, confirm_page=confirm_page)
    return Pages(View(session=SessionPages(on_token_submit=own)))


def luminance(color: str) -> float:
    """Relative luminance (WCAG 2.2) of ``#rgb`` or ``#rrggbb``."""
    digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


class PageTests(SynchronousTestCase):
    def built_in(self) -> list[Answer]:
        built_in = Pages.built_in()
        return [
            built_in.success("bob@example.org"),
            built_in.failure(ERROR),
            built_in.confirm(PROOF, NEXT),
            built_in.going_on(NEXT),
        ]

    def test_status(self) -> None:
        self.assertEqual([answer.status for answer in self.built_in()], [200, 400, 200, 200])

    def test_headers(self) -> None:
        for answer in self.built_in():
            self.assertEqual(answer.headers[b"Content-Type"], b"text/html; charset=utf-8")
            self.assertEqual(answer.headers[b"Referrer-Policy"], b"no-referrer")
            self.assertEqual(answer.headers[b"X-Content-Type-Options"], b"nosniff")
            self.assertEqual(answer.headers[b"Cache-Control"], b"no-store")
            policy = answer.headers[b"Content-Security-Policy"]
            self.assertRegex(policy, rb"^default-src 'none'; style-src 'sha256-[\w+/]{43}='; ")
            for directive in (b"base-uri 'none'", b"form-action '", b"frame-ancestors 'none'"):
                self.assertIn(directive, policy)
            self.assertNotIn(b"unsafe", policy)

    def test_only_the_page_that_asks_has_a_form(self) -> None:
        self.assertEqual(
            [b"form-action 'self'" in answer.headers[b"Content-Security-Policy"] for answer in self.built_in()],
            [b"<form" in answer.body for answer in self.built_in()],
        )
        self.assertEqual(sum(b"<form" in answer.body for answer in self.built_in()), 1)

    def test_nothing_is_fetched_and_nothing_of_the_request_shown(self) -> None:
        for answer in self.built_in():
            self.assertNotRegex(answer.body, rb"src=|<link|url\(|@import|<script|style=|wrong")

    def test_what_screen_readers_need(self) -> None:
        for answer in self.built_in():
            for needed in (rb'<html lang="en" dir="ltr">', rb"<title>[^<]+</title>", rb"<main>", rb"<h1>[^<]+</h1>"):
                self.assertEqual(len(re.findall(needed, answer.body)), 1, needed)
            self.assertIn(b'<svg viewBox="0 0 48 48" aria-hidden="true">', answer.body)
            self.assertIn(b'name="viewport" content="width=device-width, initial-scale=1"', answer.body)

    def test_contrast_in_light_and_dark(self) -> None:
        for answer in self.built_in():
            light, dark = re.findall(r":root \{(.*?)\}", answer.body.decode(), re.DOTALL)
            for theme in (light, dark):
                colors = dict(re.findall(r"--(\w+): (#\w+)", theme))
                # WCAG AA: 4.5 for text, 3 for graphics and edges.
                for name, least in (("text", 4.5), ("soft", 4.5), ("good", 4.5), ("bad", 3), ("edge", 3)):
                    self.assertGreaterEqual(contrast(colors[name], colors["card"]), least, (name, theme))
                self.assertGreaterEqual(contrast(colors["edge"], colors["page"]), 3, theme)

    def test_own_pages(self) -> None:
        own = Path(self.mktemp())
        own.write_text('<p style="width: 100%">Geschafft! <img src="/static/logo.png">', encoding="utf-8")
        answer = pages(success=own).success("bob@example.org")
        self.assertEqual(answer.body, own.read_bytes())
        self.assertIn(b"default-src 'self' https: data: 'unsafe-inline'", answer.headers[b"Content-Security-Policy"])
        self.assertEqual(answer.headers[b"Referrer-Policy"], b"no-referrer")
        self.assertIn(b"could not be verified", pages(success=own).failure(ERROR).body)

    def test_own_pages_in_two_languages(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        for name in ("failure.html", "failure.fr.html"):
            (folder / name).write_text(name)
        shown = pages(failure=folder / "failure.html")
        self.assertEqual(shown.failure(ERROR, "fr-CA, en;q=0.5").body, b"failure.fr.html")
        self.assertEqual(shown.failure(ERROR, "en").body, b"failure.html")
        self.assertEqual(shown.failure(ERROR).headers[b"Vary"], b"Accept-Language")

    def test_own_page_that_asks(self) -> None:
        own = Path(self.mktemp())
        own.write_text('<form method="post" style="width: 100%">%SID% %CLIENT_SECRET% %TOKEN% %NEXT_HOST%</form>')
        answer = pages(confirm_page=own).confirm(PROOF, NEXT)
        self.assertIn(b'"width: 100%">sid secret token app.example.org<', answer.body)
        self.assertIn(b"form-action 'self'", answer.headers[b"Content-Security-Policy"])
        for text, mistake in (
            ("%SID% %CLIENT_SECRET%", "%TOKEN% is missing, and without it nothing can be validated"),
            ("%SID% %CLIENT_SECRET% %TOKEN% %ADDRESS%", "unknown placeholder %ADDRESS%"),
        ):
            own.write_text(text)
            with self.assertRaises(TemplateError) as raised:
                pages(confirm_page=own)
            self.assertIn(mistake, str(raised.exception))

    def test_missing_page_stops_the_start(self) -> None:
        with self.assertRaises(TemplateError) as raised:
            pages(failure=Path("/nowhere/failure.html"))
        self.assertEqual(
            str(raised.exception),
            "view.session.onTokenSubmit.failure: /nowhere/failure.html: cannot be read: No such file or directory",
        )
