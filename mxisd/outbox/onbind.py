"""Notifies a homeserver that an address was bound (specification: server-server API, "Third-party invites")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

from ..clock import DAY
from ..matrix.association import association
from ..matrix.error import ErrorBody, read_error
from ..matrix.ids import InvalidIdentifier
from ..matrix.signing import Signer
from ..net.errors import OutboundError
from ..net.http_client import HttpResponse
from ..storage.records import Delivery, Invite, Kind
from .courier import Outcome

# Seconds.  A homeserver may have to ask others before it answers, and an answer that is not waited for is a loss.
TIMEOUT = 300.0

# An error text of another server is cut to this length before it is kept.
MAX_TEXT = 500

# The request may be at work still: a proxy in front of the homeserver did not wait for its answer.
_GATEWAY_TIMEOUTS = (504, 524)
_AGAIN = (408, 425, 429)
# The other form of a Retry-After header, a date, is not for us.
_SECONDS = re.compile(r"[0-9]{1,9}")


class OnbindClient(Protocol):
    """Posts to homeservers, wherever discovery finds them: :class:`~mxisd.matrix.federation.FederationClient`."""

    async def onbind(self, server_name: str, body: Mapping[str, object], timeout: float) -> HttpResponse:
        """Raises :class:`OutboundError`; :class:`InvalidIdentifier` for what is no server name."""
        ...


class OnbindDelivery:
    """
    Delivers what waited for an address to the homeserver of the user it was bound, or resolved, to.

    A success must not be repeated: a homeserver that hears of an invite twice makes a member who joined an invitee
    again, and invites anew one who has left.
    """

    kind: Kind = "onbind"
    repeatable = False

    def __init__(self, federation: OnbindClient, signer: Signer) -> None:
        self._federation = federation
        self._signer = signer

    async def deliver(self, delivery: Delivery, invite: Invite | None) -> Outcome:
        """See :class:`~mxisd.outbox.courier.Courier`."""
        if invite is None and delivery.token is not None:
            return Outcome("moot", "the invite is not known any more")
        invites = [] if invite is None else [self._invite(invite, delivery.user_id or "")]
        try:
            answer = await self._federation.onbind(delivery.destination, self._body(delivery, invites), TIMEOUT)
        except InvalidIdentifier as error:
            return Outcome("refused", str(error))
        except OutboundError as error:
            return Outcome("lost" if error.sent else "later", str(error)[:MAX_TEXT])
        return judge(answer)

    def _body(self, delivery: Delivery, invites: list[dict[str, object]]) -> dict[str, object]:
        # The association is from when it was made, whichever attempt brings it.
        signed = association(self._signer, delivery.threepid, delivery.user_id or "", delivery.created)
        return self._signer.sign({**signed, "invites": invites})

    def _invite(self, invite: Invite, user_id: str) -> dict[str, object]:
        return {
            "medium": invite.threepid.medium,
            "address": invite.threepid.address,
            "mxid": user_id,
            "room_id": invite.room_id,
            "sender": invite.sender,
            "signed": self._signer.sign({"mxid": user_id, "token": invite.token}, invite.only_key),
        }


def judge(answer: HttpResponse) -> Outcome:
    """What a homeserver's answer means for the delivery."""
    if 200 <= answer.status < 300:
        return Outcome("done", str(answer.status))
    error = read_error(answer.body)
    text = f"{answer.status} {error.errcode} {error.error}".strip()[:MAX_TEXT]
    if answer.status in _GATEWAY_TIMEOUTS:
        return Outcome("lost", text)
    if answer.status == 500:
        return Outcome("error", text)
    if 400 <= answer.status < 500 and answer.status not in _AGAIN:
        return Outcome("refused", text)
    return Outcome("later", text, retry_after=_retry_after(answer, error))


def _retry_after(answer: HttpResponse, error: ErrorBody) -> int:
    """Milliseconds, from the header or, as it was before version 1.10, from the body."""
    header = answer.headers.get("retry-after", "")
    asked = int(header) * 1000 if _SECONDS.fullmatch(header) else int(error.retry_after_ms)
    return min(max(asked, 0), DAY)
