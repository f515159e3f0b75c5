"""
What strangers wrote, as far as it may be shown in messages under the administrator's name.

Names, identifiers and links of invites are chosen by whoever sends them.  A mail with "your account is locked, see
evil.example/login" in the name of a room would be believed, since it comes from here.  So each field passes the
function for its kind, which cuts what is too long and drops what carries a link or a text where neither belongs.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urlsplit

from ..matrix.ids import InvalidIdentifier, check_room_id, split_server_name, split_user_id

# Long enough for a name, too short for an advertisement.
MAX_NAME = 64
# Some mail clients and gateways cut longer ones.
MAX_URL = 2000
# A user ID and a room ID have at most 255 bytes.
MAX_VALUE = 500
# Longer ones are made to be read, not to identify.
MAX_LOCALPART = 64

# They change the direction of text: a name with one of them could change how the text next to it reads.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

# What mail clients make links of: schemes, "www.", an address, and a host with a path, a query or a port.
_LINK = re.compile(
    r"""[a-z][a-z0-9+.-]*:/ | \bwww\. | \b(?:mailto|tel|sms|javascript|data): | [^\s@]@[^\s@]+\.[^\s@]
      | [\w-]\.[\w-]+(?:\.[\w-]+)*[/?:][^\s] | [\w-]\.[a-z][\w-]*[/\\]""",
    re.VERBOSE | re.IGNORECASE,
)
_LOOKS_LIKE = str.maketrans({"\uff0f": "/", "\u2215": "/", "\u2044": "/", "\uff0e": ".", "\u3002": ".", "\uff1a": ":"})
_WORD = re.compile(r"[A-Za-z0-9._-]{1,64}")
_OPAQUE = re.compile(r"[A-Za-z0-9._=-]{1,500}")
_MXC = re.compile(r"mxc://([^/]+)/([A-Za-z0-9_-]{1,255})")


def line(text: str, limit: int = MAX_VALUE) -> str:
    """A text as one line of at most ``limit`` characters, without those that are invisible or change its direction."""
    # Only the beginning is examined, since the text may be very long.
    kept = (_printable(character) for character in text[: 4 * limit])
    return _cut(" ".join("".join(kept).split()), limit)


def name(text: str) -> str:
    """A name that somebody chose; empty if it contains a link, as advertisements do."""
    # The end of a very long one is not shown.
    return "" if has_link(text[: 4 * MAX_NAME]) else line(text, MAX_NAME)


def has_link(text: str) -> bool:
    """Whether somebody, or their mail client, would find a link in a text."""
    # Invisible characters are dropped first: they would break the pattern, and not the link.
    seen = "".join(map(_printable, unicodedata.normalize("NFKC", text.translate(_LOOKS_LIKE))))
    return _LINK.search(seen) is not None


def user_id(text: str) -> str:
    """A user ID; of one whose localpart is made to be read, only ``@…`` and the server."""
    try:
        localpart, server = split_user_id(text)
    except InvalidIdentifier:
        return ""
    return text if is_plain(localpart) else f"@…:{server}"


def room_id(text: str) -> str:
    """A room ID, or an empty string for what is made to be read."""
    try:
        check_room_id(text)
    except InvalidIdentifier:
        return ""
    opaque, _, server = text[1:].partition(":")
    return text if is_plain(opaque) and (not server or _is_server(server)) else ""


def room_alias(text: str) -> str:
    """The alias of a room, or an empty string for what is none or is made to be read."""
    localpart, _, server = text.removeprefix("#").partition(":")
    good = text.startswith("#") and _is_server(server) and is_plain(localpart)
    return text if good else ""


def avatar(text: str) -> str:
    """The ``mxc`` URL of an avatar.  A web address would show its owner who opened a mail, so it is dropped."""
    found = _MXC.fullmatch(text)
    return text if found is not None and _is_server(found[1]) else ""


def word(text: str) -> str:
    """A token of the specification, such as a room type; empty for anything else."""
    return text if _WORD.fullmatch(text) else ""


def opaque(text: str) -> str:
    """An access token or the like; empty for what none looks like."""
    return text if _OPAQUE.fullmatch(text) else ""


def url(text: str) -> str:
    """A link, or an empty string if its scheme or its characters could do harm."""
    try:
        known = urlsplit(text).scheme in ("http", "https")
    except ValueError:
        known = False
    return text if known and len(text) <= MAX_URL and text.isprintable() and " " not in text else ""


def url_at(text: str, domain: str) -> str:
    """A link to a host of a domain, or of one below it; empty for links that lead elsewhere."""
    try:
        host = (urlsplit(text).hostname or "").lower()
    except ValueError:
        host = ""
    within = host == domain.lower() or host.endswith(f".{domain.lower()}")
    return url(text) if within and "\\" not in text and "@" not in text else ""


def is_plain(text: str) -> bool:
    """Whether a part of an identifier is no text, and no link."""
    return 0 < len(text) <= MAX_LOCALPART and not any(map(str.isspace, text)) and not has_link(text)


def _is_server(text: str) -> bool:
    try:
        split_server_name(text)
    except InvalidIdentifier:
        return False
    return True


def _printable(character: str) -> str:
    if character in _BIDI:
        return ""
    category = unicodedata.category(character)
    if category == "Cs":
        return ""
    return " " if category in ("Cc", "Zl", "Zp") else character


def _cut(text: str, limit: int) -> str:
    # A zero-width joiner at the end would join the last character to the ellipsis.
    return text if len(text) <= limit else text[: limit - 1].rstrip("\u200d ") + "…"
