"""Masks secrets in messages and logs, and the parts of URLs that people put secrets into."""

from __future__ import annotations

import re

_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[\w.-]*)(?P<port>:[0-9]*)?")
# Where a path ends, or something begins that is no path: a query, a fragment, parameters, another URL, text.
_PATH = re.compile(r"(?:/(?!/)[^?#;@\s\\/]*)*")


class Secret(str):
    """A value that no message and no ``repr`` shows; of one that is a URL, :func:`masked` shows scheme and host."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'"


def masked(text: str) -> str:
    """
    A text for messages: if it is a URL, or has one in it, then without user info, query and fragment.

    The URL is taken to go on to the end of the text.  What cannot be told apart for certain is cut rather than shown.
    A text without ``//`` is returned as it is.
    """
    before, slashes, rest = text.partition("//")
    if not slashes:
        return "…" if isinstance(text, Secret) else str(text)
    if re.search("[@?#;]", before):
        before = "…"
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    after = rest[len(authority) :]
    _, at, host = authority.rpartition("@")
    fits = _HOST.fullmatch(host)
    if not fits or ((at or fits["port"] or not host) and _may_be_password(after)):
        return f"{before}//…"
    shown = _without_path(after) if isinstance(text, Secret) else _without_query(after)
    return f"{before}//{'…@' if at else ''}{host}{shown}"


def masked_url(text: str) -> str:
    """The same for a text that was meant to be a URL: without ``//``, it may begin with user info all the same."""
    if "//" in text or not re.search("[@?#;]", text):
        return masked(text)
    return masked(f"//{text}").removeprefix("//")


def _may_be_password(after: str) -> bool:
    """Whether what comes before may be how a password begins, which has a ``/``, ``?`` or ``#`` in it."""
    path = re.split("[?#]", after, maxsplit=1)[0]
    return "@" in (path or after)


def _without_path(text: str) -> str:
    return "/…" if text.strip("/") else ""


def _without_query(text: str) -> str:
    match = _PATH.match(text)
    path = match[0] if match else ""
    left = text[len(path) :]
    return f"{path}{left[0] if left[0] in '?#;' else ''}…" if left else path
