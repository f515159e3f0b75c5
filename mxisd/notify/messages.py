"""
The messages that are sent to addresses, and the values that templates can use.

The names of the values are those of the Java mxisd, and some more.  What strangers choose of them passes
:mod:`mxisd.notify.strangers`; and each value is made one line of printable text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import ClassVar, Literal, Protocol, TypeAlias
from urllib.parse import quote_plus, urlencode

from msgspec import Struct

from ..languages import ENGLISH, catalogue
from ..matrix.ids import server_of
from ..matrix.threepid import ThreePid, readable
from ..storage.records import Invite
from . import strangers
from .strangers import MAX_URL, line

Kind = Literal[
    "invite",
    "invite.reminder",
    "session.validation",
    "session.unbind.fraudulent",
    "session.unbind.notification",
    "generic.matrixId",
]

# Puts a sentence into the language of the message.
Say: TypeAlias = Callable[[str], str]

# The type of a room that holds other rooms (client-server API, "Spaces").
SPACE = "m.space"


class MessageContext(Struct, frozen=True, kw_only=True):
    """What all messages over one medium have in common."""

    domain: str
    """The homeserver's name."""
    public_url: str
    """Where clients reach this server, without a slash at the end."""
    placeholders: Mapping[str, str] = {}
    """Values of the administrator's own, and ``REGISTER_URL``: where somebody without an account gets one."""
    from_email: str = ""
    from_name: str = ""
    contact: str = ""
    """Where people who have questions find help."""


class Message(Protocol):
    """A message to an address."""

    kind: ClassVar[Kind]

    @property
    def threepid(self) -> ThreePid: ...

    @property
    def accept_language(self) -> str:
        """The ``Accept-Language`` header of the request that caused the message; empty if none did."""
        ...

    @property
    def reference(self) -> str:
        """See :class:`~mxisd.notify.notifier.Connector`."""
        ...

    def values(self, site: MessageContext, _: Say) -> Mapping[str, str]:
        """The values that this kind of message adds, not yet cleaned."""
        ...


class Validation(Struct, frozen=True, kw_only=True):
    """The token by which somebody proves that they receive what is sent to an address."""

    kind: ClassVar[Kind] = "session.validation"

    threepid: ThreePid
    token: str
    link: str
    """Where the token can be submitted by a browser."""
    next_link: str = ""
    """Where the browser is sent afterwards, if anywhere."""
    accept_language: str = ""
    reference: str = ""

    def values(self, site: MessageContext, _: Say) -> Mapping[str, str]:
        return {"VALIDATION_LINK": self.link, "VALIDATION_TOKEN": self.token, "NEXT_URL": strangers.url(self.next_link)}


class InviteMessage(Struct, frozen=True):
    """The invitation of an address into a room."""

    kind: ClassVar[Kind] = "invite"

    invite: Invite
    expires: int | None = None
    """Epoch milliseconds, if it does."""
    accept_language: str = ""
    reference: str = ""

    @property
    def threepid(self) -> ThreePid:
        return self.invite.threepid

    def values(self, site: MessageContext, _: Say) -> Mapping[str, str]:
        invite = self.invite
        given = invite.fields if invite.proven else {}
        fields = {name: value for name, value in given.items() if isinstance(value, str)}
        alias = strangers.room_alias(fields.get("room_alias", ""))
        sender = _sender(invite.sender, fields.get("sender_display_name", ""), _)
        room = _room(invite.room_id, fields.get("room_name", ""))
        room_type = strangers.word(fields.get("room_type", ""))
        to = _invited_to(room["ROOM_NAME"] or alias, room_type, sender["SENDER"], _)
        people = {**sender, **room, **to} if invite.proven else _anonymous(invite, _)
        key = invite.ephemeral_private_key
        return {
            **people,
            "ROOM_NAME_OR_ALIAS": people["ROOM_NAME"] or alias or people["ROOM_ID"],
            "ROOM_ALIAS": alias,
            "ROOM_AVATAR_URL": strangers.avatar(fields.get("room_avatar_url", "")),
            "ROOM_TYPE": room_type,
            "ROOM_JOIN_RULES": strangers.word(fields.get("room_join_rules", "")),
            "SENDER_AVATAR_URL": strangers.avatar(fields.get("sender_avatar_url", "")),
            "WEB_CLIENT_LOCATION": strangers.url_at(fields.get("org.matrix.web_client_location", ""), site.domain),
            "GUEST_ACCESS_TOKEN": strangers.opaque(fields.get("guest_access_token", "")),
            "GUEST_USER_ID": strangers.user_id(fields.get("guest_user_id", "")),
            "INVITE_EXPIRES": "" if self.expires is None else _minute(self.expires),
            "INVITE_MEDIUM": invite.threepid.medium,
            "INVITE_ADDRESS": readable(invite.threepid),
            "INVITE_TOKEN": invite.token,
            "INVITE_PRIVATE_KEY": key,
            # v1, since a link in a mail is opened without the access token that v2 requires.
            "INVITE_SIGN_URL": f"{site.public_url}/_matrix/identity/api/v1/sign-ed25519?"
            + urlencode({"token": invite.token, "private_key": key}),
        }


class Reminder(Struct, frozen=True):
    """A second message about an invite, before it expires."""

    kind: ClassVar[Kind] = "invite.reminder"

    invite: Invite
    expires: int
    """Epoch milliseconds."""
    accept_language: str = ""
    reference: str = ""

    @property
    def threepid(self) -> ThreePid:
        return self.invite.threepid

    def values(self, site: MessageContext, _: Say) -> Mapping[str, str]:
        return InviteMessage(self.invite, self.expires).values(site, _)


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
    room_type: str = ""
    """The ``type`` of its ``m.room.create``; empty for a room that is for talking."""
    accept_language: str = ""
    reference: str = ""

    def values(self, site: MessageContext, _: Say) -> Mapping[str, str]:
        sender, room = _sender(self.sender, self.sender_name, _), _room(self.room_id, self.room_name)
        return {
            **sender,
            **room,
            **_invited_to(room["ROOM_NAME"], self.room_type, sender["SENDER"], _),
            "RECIPIENT_ID": self.recipient,
        }


class UnbindWarning(Struct, frozen=True, kw_only=True):
    """Somebody tried to unbind the address without a proof that it is theirs."""

    kind: ClassVar[Kind] = "session.unbind.fraudulent"

    threepid: ThreePid
    accept_language: str = ""
    reference: str = ""

    def values(self, site: MessageContext, _: Say) -> Mapping[str, str]:
        return {}


class UnbindNotice(Struct, frozen=True, kw_only=True):
    """The address was unbound."""

    kind: ClassVar[Kind] = "session.unbind.notification"

    threepid: ThreePid
    accept_language: str = ""
    reference: str = ""

    def values(self, site: MessageContext, _: Say) -> Mapping[str, str]:
        return {}


def values(message: Message, site: MessageContext, language: str = ENGLISH) -> dict[str, str]:
    """All values of a message in a language, cleaned; for each ``X`` there is an ``X_URL_ENCODED``."""
    given = {
        "REGISTER_URL": f"https://{site.domain}",
        **site.placeholders,
        "DOMAIN": site.domain,
        "DOMAIN_PRETTY": site.domain.capitalize(),
        "FROM_EMAIL": site.from_email,
        "FROM_NAME": site.from_name,
        "CONTACT": site.contact,
        "RECIPIENT_MEDIUM": message.threepid.medium,
        "RECIPIENT_ADDRESS": readable(message.threepid),
        **message.values(site, catalogue(language).gettext),
    }
    shown = {name: line(value, MAX_URL) for name, value in given.items()}
    return shown | {f"{name}_URL_ENCODED": quote_plus(value) for name, value in shown.items()}


def _anonymous(invite: Invite, _: Say) -> dict[str, str]:
    """What is shown of an invite that anybody may have sent: nothing that could be a stranger's own words."""
    somebody = _somebody(server_of(invite.sender), _)
    return {
        **_sender("", "", _),
        "SENDER": somebody,
        "SENDER_ID": somebody,
        "SENDER_NAME_OR_ID": somebody,
        **_room("", ""),
        "ROOM_ID": "…",
        "ROOM_NAME_OR_ID": "…",
        **_invited_to("", "", "", _),
    }


def _minute(point: int) -> str:
    return f"{datetime.fromtimestamp(point / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _sender(user_id: str, given_name: str, _: Say) -> dict[str, str]:
    shown, shown_id = strangers.name(given_name), strangers.user_id(user_id)
    return {
        "SENDER": shown or (_in_words(shown_id, _) if shown_id else ""),
        "SENDER_ID": shown_id,
        "SENDER_NAME": shown,
        "SENDER_DISPLAY_NAME": shown,
        "SENDER_NAME_OR_ID": shown or shown_id,
    }


def _room(room_id: str, given_name: str) -> dict[str, str]:
    shown, shown_id = strangers.name(given_name), strangers.room_id(room_id)
    return {"ROOM_ID": shown_id, "ROOM_NAME": shown, "ROOM_NAME_OR_ID": shown or shown_id}


def _in_words(user_id: str, _: Say) -> str:
    """Somebody without a name: an ID says little to people who do not know Matrix."""
    localpart, _colon, server = user_id[1:].partition(":")
    return f"{localpart} ({server})" if strangers.is_plain(localpart) else _somebody(server, _)


def _somebody(server: str, _: Say) -> str:
    return _("Somebody on {server}").replace("{server}", server)


def _invited_to(name: str, room_type: str, sender: str, _: Say) -> dict[str, str]:
    """
    What one is invited to, in words.  Each argument may be empty.

    An ID says nothing to people, so a room without a name is told by who is in it.
    """
    is_space = room_type == SPACE
    if name:
        kind, sentence = (_("space"), _("the space {name}")) if is_space else (_("room"), _("the room {name}"))
    elif is_space:
        kind, sentence = _("space"), _("a space by {sender}") if sender else _("a space")
    else:
        kind, sentence = _("conversation"), _("a conversation with {sender}") if sender else _("a conversation")
    # The names are not what a translation puts in braces.
    return {"ROOM_KIND": kind, "INVITED_TO": sentence.replace("{name}", name).replace("{sender}", sender)}
