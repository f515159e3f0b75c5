"""The web pages that the link of a validation message leads to."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Collection, Mapping
from functools import partial
from hashlib import sha256
from html import escape
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from ..config.session import View
from ..errors import about
from ..matrix.error import MatrixError
from ..notify.template import BuiltIn, TemplateError, Translations, check, fill, placeholders
from ..threepids.next_link import NextLink
from .endpoint import Answer, retry_header

_BUILT_IN = Path(__file__).parent / "templates"

# The address bar holds the secret of a session: the page must not be kept, framed, or named as referrer.
_HEADERS = {
    b"Content-Type": b"text/html; charset=utf-8",
    b"Cache-Control": b"no-store",
    b"Referrer-Policy": b"no-referrer",
    b"Vary": b"Accept-Language",
    b"X-Content-Type-Options": b"nosniff",
    b"X-Robots-Tag": b"noindex",
}
_POLICY = "base-uri 'none'; form-action {forms}; frame-ancestors 'none'; object-src 'none'"
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)

# What the form of the first page holds, and where its user goes on to: with an attribute to hide that if it is nowhere.
_PROOF = ("SID", "CLIENT_SECRET", "TOKEN")
_CONFIRM = (*_PROOF, "NEXT_HOST", "NEXT_HIDDEN")
_GOING_ON = ("NEXT_URL", "NEXT_HOST")
_VALIDATED = ("ADDRESS",)


class Proof(Struct, frozen=True):
    """What the link in the message holds; empty where it was cut."""

    sid: str = ""
    client_secret: str = ""
    token: str = ""


class Page(Struct, frozen=True):
    """A page, and the Content-Security-Policy that it is served with."""

    html: str
    policy: bytes


class Pages:
    """One page to ask, one for success, one for failure; each in several languages, if files for them are there."""

    def __init__(self, view: View) -> None:
        """
        Read the files of ``view.session.onTokenSubmit``, or else the built-in pages.

        Raises :class:`~mxisd.notify.template.TemplateError`.
        """
        files = view.session.on_token_submit
        load = partial(_load, view.language)
        with about("view.session.onTokenSubmit.confirmPage"):
            self._confirm = load(files.confirm_page, "confirm.html", "'self'", _CONFIRM, _PROOF)
        with about("view.session.onTokenSubmit.success"):
            self._success = load(files.success, "validated.html", filled=() if files.success else _VALIDATED)
        self._names_address = files.success is None
        with about("view.session.onTokenSubmit.failure"):
            self._failure = load(files.failure, "not-validated.html")
        self._going_on = load(None, "going-on.html", filled=_GOING_ON)

    @classmethod
    def built_in(cls) -> Pages:
        """The pages to show when none are configured."""
        return cls(View())

    def confirm(self, proof: Proof, next_link: NextLink | None, accept_language: str = "") -> Answer:
        """Ask whether the address is theirs: a form sends the proof back."""
        values = {
            "SID": proof.sid,
            "CLIENT_SECRET": proof.client_secret,
            "TOKEN": proof.token,
            "NEXT_HOST": "" if next_link is None else next_link.host,
            "NEXT_HIDDEN": "hidden" if next_link is None else "",
        }
        return _answer(200, self._confirm.best(accept_language), values)

    def success(self, address: str, accept_language: str = "") -> Answer:
        """The address is validated."""
        page = self._success.best(accept_language)
        # A page of the administrator's has no placeholders, and may have what looks like one.
        return _answer(200, page, {"ADDRESS": address} if self._names_address else None)

    def going_on(self, next_link: NextLink, accept_language: str = "") -> Answer:
        """It is, and the browser goes on by itself: a redirect would have to obey the policy for forms."""
        values = {"NEXT_URL": next_link.url, "NEXT_HOST": next_link.host}
        return _answer(200, self._going_on.best(accept_language), values)

    def failure(self, error: MatrixError, accept_language: str = "") -> Answer:
        """It is not: whatever the reason, what is left to do is to ask for a new link."""
        answer = _answer(error.status, self._failure.best(accept_language))
        return replace(answer, headers={**answer.headers, **retry_header(error)})


def _load(
    language: str | None,
    path: Path | None,
    built_in: str,
    forms: str = "'none'",
    filled: Collection[str] = (),
    required: Collection[str] = (),
) -> Translations[Page]:
    """
    The administrator's page at ``path``, or else a built-in one; see :class:`Translations` for ``language``.

    ``filled`` are the placeholders of the page, if it has any, ``forms`` is where its forms may be sent.
    """
    policy = _POLICY.format(forms=forms)

    def load(file: Path, html: str, _: str) -> Page:
        if filled:
            check(file, html, html, filled)
        if missing := [f"%{name}%" for name in required if name not in placeholders(html)]:
            raise TemplateError(f"{file}: {', '.join(missing)} is missing, and without it nothing can be validated")
        sources = _strict(html) if path is None else "default-src 'self' https: data: 'unsafe-inline'"
        return Page(html, f"{sources}; {policy}".encode())

    if path is None:
        return BuiltIn(_BUILT_IN / built_in, language, load)
    return Translations.load(path, language, load)


def _strict(html: str) -> str:
    """A page of ours brings its style along and fetches nothing; an administrator's may fetch what it likes."""
    digests = (b64encode(sha256(style.encode()).digest()).decode() for style in _STYLE.findall(html))
    styles = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; style-src {styles}"


def _answer(status: int, page: Page, values: Mapping[str, str] | None = None) -> Answer:
    html = page.html if values is None else fill(page.html, values, escape)
    return Answer(status, {**_HEADERS, b"Content-Security-Policy": page.policy}, html.encode())
