"""
What can be said to an address, and the values that templates may put into it.

The names of the values are mxisd's, and more.  Much of what they hold was chosen by strangers: each value is one line
of printable text, and names are cut, whatever was sent to us.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import ClassVar, Literal, Protocol
from urllib.parse import quote_plus, urlencode, urlsplit

from msgspec import Struct

from ..matrix.threepid import ThreePid
from ..storage.records import Invite

Kind = Literal[
    "invite",
    "invite.reminder",
    "session.validation",
    "session.unbind.fraudulent",
    "session.unbind.notification",
    "generic.matrixId",
]

# Long enough for a name, too short for a story.
MAX_NAME = 64
# Some mail clients and gateways cut longer ones.
MAX_URL = 2000
# A user ID and a room ID have at most 255 bytes.
MAX_VALUE = 500

# They turn the text around them, so that a name could forge what is beside it.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class MessageContext(Struct, frozen=True, kw_only=True):
    """Who speaks: what all messages of a server, over one medium, have in common."""

    domain: str
    """The homeserver's name."""
    public_url: str
    """Where clients reach this server, without a slash at the end."""
    placeholders: Mapping[str, str] = {}
    """Values of the administrator's own, and ``REGISTER_URL``: where somebody without an account gets one."""
    from_email: str = ""
    from_name: str = ""


class Message(Protocol):
    """Something to tell an address."""

    kind: ClassVar[Kind]

    @property
    def threepid(self) -> ThreePid: ...

    @property
    def accept_language(self) -> str:
        """The ``Accept-Language`` header of whoever asked for it; empty if nobody did."""
        ...

    def values(self, site: MessageContext) -> Mapping[str, str]:
        """The values of its own, as they came."""
        ...


class Validation(Struct, frozen=True, kw_only=True):
    """The token that proves that someone reads what is sent to an address."""

    kind: ClassVar[Kind] = "session.validation"

    threepid: ThreePid
    token: str
    link: str
    """Where the token can be submitted by a browser."""
    next_link: str = ""
    """Where the browser goes from there."""
    accept_language: str = ""

    def values(self, site: MessageContext) -> Mapping[str, str]:
        return {"VALIDATION_LINK": self.link, "VALIDATION_TOKEN": self.token, "NEXT_URL": url(self.next_link)}


class InviteMessage(Struct, frozen=True):
    """The invitation of an address into a room."""

    kind: ClassVar[Kind] = "invite"

    invite: Invite
    accept_language: str = ""

    @property
    def threepid(self) -> ThreePid:
        return self.invite.threepid

    def values(self, site: MessageContext) -> Mapping[str, str]:
        invite = self.invite
        fields = {name: value for name, value in invite.fields.items() if isinstance(value, str)}
        alias = line(fields.get("room_alias", ""))
        room = _room(invite.room_id, fields.get("room_name", ""))
        key = invite.ephemeral_private_key
        return {
            **_sender(invite.sender, fields.get("sender_display_name", "")),
            **room,
            "ROOM_NAME_OR_ALIAS": room["ROOM_NAME"] or alias or invite.room_id,
            "ROOM_ALIAS": alias,
            "ROOM_AVATAR_URL": url(fields.get("room_avatar_url", "")),
            "ROOM_TYPE": fields.get("room_type", ""),
            "ROOM_JOIN_RULES": fields.get("room_join_rules", ""),
            "SENDER_AVATAR_URL": url(fields.get("sender_avatar_url", "")),
            "WEB_CLIENT_LOCATION": url(fields.get("org.matrix.web_client_location", "")),
            "GUEST_ACCESS_TOKEN": fields.get("guest_access_token", ""),
            "GUEST_USER_ID": fields.get("guest_user_id", ""),
            "INVITE_MEDIUM": invite.threepid.medium,
            "INVITE_ADDRESS": invite.threepid.address,
            "INVITE_TOKEN": invite.token,
            "INVITE_PRIVATE_KEY": key,
            # v1: whoever follows it from a mail has no access token, which v2 asks for.
            "INVITE_SIGN_URL": f"{site.public_url}/_matrix/identity/api/v1/sign-ed25519?"
            + urlencode({"token": invite.token, "private_key": key}),
        }


class Reminder(Struct, frozen=True):
    """The same once more, before the invitation expires."""

    kind: ClassVar[Kind] = "invite.reminder"

    invite: Invite
    expires: int
    """Epoch milliseconds."""
    accept_language: str = ""

    @property
    def threepid(self) -> ThreePid:
        return self.invite.threepid

    def values(self, site: MessageContext) -> Mapping[str, str]:
        expires = datetime.fromtimestamp(self.expires / 1000, UTC)
        return {**InviteMessage(self.invite).values(site), "INVITE_EXPIRES": f"{expires:%Y-%m-%d %H:%M} UTC"}


class MatrixIdInvite(Struct, frozen=True, kw_only=True):
    """A user of our homeserver, whose address is known, was invited into a room by user ID."""

    kind: ClassVar[Kind] = "generic.matrixId"

    threepid: ThreePid
    recipient: str
    """The user ID that was invited."""
    sender: str
    sender_name: str = ""
    room_id: str
    room_name: str = ""
    accept_language: str = ""

    def values(self, site: MessageContext) -> Mapping[str, str]:
        return {
            **_sender(self.sender, self.sender_name),
            **_room(self.room_id, self.room_name),
            "RECIPIENT_ID": self.recipient,
        }


class UnbindWarning(Struct, frozen=True, kw_only=True):
    """Somebody tried to unbind the address without a proof that it is theirs."""

    kind: ClassVar[Kind] = "session.unbind.fraudulent"

    threepid: ThreePid
    accept_language: str = ""

    def values(self, site: MessageContext) -> Mapping[str, str]:
        return {}


class UnbindNotice(Struct, frozen=True, kw_only=True):
    """The address was unbound."""

    kind: ClassVar[Kind] = "session.unbind.notification"

    threepid: ThreePid
    accept_language: str = ""

    def values(self, site: MessageContext) -> Mapping[str, str]:
        return {}


def values(message: Message, site: MessageContext) -> dict[str, str]:
    """All values of a message, fit to be shown; for each ``X`` there is an ``X_URL_ENCODED``."""
    given = {
        "REGISTER_URL": f"https://{site.domain}",
        **site.placeholders,
        "DOMAIN": site.domain,
        "DOMAIN_PRETTY": site.domain.capitalize(),
        "FROM_EMAIL": site.from_email,
        "FROM_NAME": site.from_name,
        "RECIPIENT_MEDIUM": message.threepid.medium,
        "RECIPIENT_ADDRESS": message.threepid.address,
        **message.values(site),
    }
    shown = {name: line(value, MAX_URL) for name, value in given.items()}
    return shown | {f"{name}_URL_ENCODED": quote_plus(value) for name, value in shown.items()}


def line(text: str, limit: int = MAX_VALUE) -> str:
    """A text on one line, without what is invisible or turns the text around it, and cut to so many characters."""
    # Not all of it is looked at, since it may be long; what is left of the rest is cut anyway.
    kept = (_printable(character) for character in text[: 4 * limit])
    return _cut(" ".join("".join(kept).split()), limit)


def name(text: str) -> str:
    """A name that somebody gave; empty if it carries a link, since then it is an advertisement."""
    folded = text.casefold()
    return "" if "://" in folded or "www." in folded else line(text, MAX_NAME)


def url(text: str) -> str:
    """A link that cannot be harmful by its form, or else nothing."""
    try:
        known = urlsplit(text).scheme in ("http", "https", "mxc")
    except ValueError:
        known = False
    return text if known and len(text) <= MAX_URL and text.isprintable() and " " not in text else ""


def _printable(character: str) -> str:
    if character in _BIDI:
        return ""
    category = unicodedata.category(character)
    if category == "Cs":
        return ""
    return " " if category in ("Cc", "Zl", "Zp") else character


def _cut(text: str, limit: int) -> str:
    # A joiner at the end would join the ellipsis.
    return text if len(text) <= limit else text[: limit - 1].rstrip("\u200d ") + "…"


def _sender(user_id: str, given_name: str) -> dict[str, str]:
    shown = name(given_name)
    return {
        "SENDER_ID": user_id,
        "SENDER_NAME": shown,
        "SENDER_DISPLAY_NAME": shown,
        "SENDER_NAME_OR_ID": shown or user_id,
    }


def _room(room_id: str, given_name: str) -> dict[str, str]:
    shown = name(given_name)
    return {"ROOM_ID": room_id, "ROOM_NAME": shown, "ROOM_NAME_OR_ID": shown or room_id}
