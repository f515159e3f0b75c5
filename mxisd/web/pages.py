"""The pages that people see who followed the link of a validation message."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

from ..config.session import View
from ..matrix.error import MatrixError
from ..notify.template import Translations, read
from .endpoint import Answer

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
_POLICY = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


class Page(Struct, frozen=True):
    """A page, and the Content-Security-Policy that it is served with."""

    html: bytes
    policy: bytes


class Pages:
    """One page for success and one for failure; each in several languages, if files for them are there."""

    def __init__(self, view: View) -> None:
        """
        Read the files of ``view.session.onTokenSubmit``, or else the built-in pages.

        Raises :class:`~mxisd.notify.template.TemplateError`.
        """
        files = view.session.on_token_submit
        self._success = _load(files.success, "validated.html")
        self._failure = _load(files.failure, "not-validated.html")

    @classmethod
    def built_in(cls) -> Pages:
        """The pages to show when none are configured."""
        return cls(View())

    def success(self, accept_language: str = "") -> Answer:
        """The address is validated."""
        return _answer(200, self._success.best(accept_language))

    def failure(self, error: MatrixError, accept_language: str = "") -> Answer:
        """It is not: whatever the reason, what is left to do is to ask for a new link."""
        return _answer(error.status, self._failure.best(accept_language))


def _load(path: Path | None, built_in: str) -> Translations[Page]:
    if path is not None:
        return Translations.load(path, _own)
    return Translations.load(_BUILT_IN / built_in, _strict)


def _own(path: Path) -> Page:
    """An administrator's page, which may fetch what it likes."""
    return Page(read(path).encode(), f"default-src 'self' https: data: 'unsafe-inline'; {_POLICY}".encode())


def _strict(path: Path) -> Page:
    """A page of ours, which brings its style along and fetches nothing."""
    html = read(path)
    digests = (b64encode(sha256(style.encode()).digest()).decode() for style in _STYLE.findall(html))
    styles = " ".join(f"'sha256-{digest}'" for digest in digests)
    return Page(html.encode(), f"default-src 'none'; style-src {styles}; {_POLICY}".encode())


def _answer(status: int, page: Page) -> Answer:
    return Answer(status, {**_HEADERS, b"Content-Security-Policy": page.policy}, page.html)
