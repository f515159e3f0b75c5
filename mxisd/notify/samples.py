"""An example of each kind of message: for previews, and to know which values a template can use."""

from __future__ import annotations

from ..clock import DAY
from ..matrix.threepid import ThreePid
from ..storage.records import Invite
from .messages import (
    InviteMessage,
    Kind,
    MatrixIdInvite,
    Message,
    MessageContext,
    Reminder,
    UnbindNotice,
    UnbindWarning,
    Validation,
    values,
)


def samples(threepid: ThreePid, site: MessageContext, language: str = "") -> dict[Kind, Message]:
    """Messages to an address, by kind, for somebody who prefers a language."""
    sender, room_id = f"@alice:{site.domain}", f"!aGardenInKyoto:{site.domain}"
    invite = Invite(
        token="sample-token-to-look-at",  # noqa: S106  # of no invite
        threepid=threepid,
        room_id=room_id,
        sender=sender,
        created=0,
        ephemeral_public_key="",
        ephemeral_private_key="c2FtcGxlIGtleSB0byBsb29rIGF0LCBvZiBubyB1c2U",
        fields={
            "sender_display_name": "Alice Liddell",
            "sender_avatar_url": f"mxc://{site.domain}/alice",
            "room_name": "Gardens of Kyoto",
            "room_alias": f"#gardens:{site.domain}",
            "room_avatar_url": f"mxc://{site.domain}/gardens",
            "room_join_rules": "invite",
        },
        proven=True,
    )
    link = f"{site.public_url}/_matrix/identity/v2/validate/{threepid.medium}/submitToken?token=123456"
    messages: list[Message] = [
        InviteMessage(invite, 20_000 * DAY, language),
        Reminder(invite, 20_000 * DAY, language),
        Validation(
            threepid=threepid,
            token="123456",  # noqa: S106  # of no session
            link=link,
            next_link=f"https://{site.domain}",
            accept_language=language,
        ),
        UnbindWarning(threepid=threepid, accept_language=language),
        UnbindNotice(threepid=threepid, accept_language=language),
        MatrixIdInvite(
            threepid=threepid,
            recipient=f"@bob:{site.domain}",
            sender=sender,
            sender_name="Alice Liddell",
            room_id=room_id,
            room_name="Gardens of Kyoto",
            accept_language=language,
        ),
    ]
    return {message.kind: message for message in messages}


def names(threepid: ThreePid, site: MessageContext) -> dict[Kind, frozenset[str]]:
    """The names of the values that templates can use, by kind."""
    return {kind: frozenset(values(message, site)) for kind, message in samples(threepid, site).items()}
