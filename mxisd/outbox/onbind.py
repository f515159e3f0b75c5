"""Notifies a homeserver that an address was bound (specification: server-server API, "Third-party invites")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import json
from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime

from ..clock import MINUTE, now
from ..matrix.association import association
from ..matrix.error import read_error, retry_after
from ..matrix.ids import InvalidIdentifier
from ..matrix.signing import Signer
from ..net.errors import OutboundError
from ..net.http_client import HttpResponse
from ..storage.records import Delivery, Invite, Kind
from .courier import Outcome
from .members import Members

# Seconds.  A homeserver may have to ask others before it answers, and an answer that is not waited for is a loss.
TIMEOUT = 300.0

# An error text of another server is cut to this length before it is kept.
MAX_TEXT = 500

# The request may be at work still: a proxy in front of the homeserver did not wait for its answer.
_GATEWAY_TIMEOUTS = (504, 524)
_AGAIN = (408, 425, 429)
# What homeservers answer as long as there is no event of the invite in the room: they make it after they have stored
# the invite here, and have this much time for it.
_NOT_THERE = (403, 404)
_UNTIL_THERE = MINUTE
# Error codes of answers that no homeserver has given, or one that does not know the path: none at all is the first.
_OF_NO_HOMESERVER = ("", "M_UNRECOGNIZED")


class OnbindClient(Protocol):
    """Posts to homeservers, wherever discovery finds them: :class:`~mxisd.matrix.federation.FederationClient`."""

    async def onbind(self, server_name: str, body: Mapping[str, object], timeout: float) -> HttpResponse:
        """Raises :class:`OutboundError`; :class:`InvalidIdentifier` for what is no server name."""
        ...


class OnbindDelivery:
    """
    Delivers what waited for an address to the homeserver of the user it was bound, or resolved, to.

    A success must not be repeated: a homeserver that hears of an invite twice makes a member who joined an invitee
    again, and invites anew one who has left.  For the same reason nobody is invited who is a member already.
    """

    kind: Kind = "onbind"
    repeatable = False

    def __init__(self, federation: OnbindClient, signer: Signer, members: Members, clock: IReactorTime) -> None:
        self._federation = federation
        self._signer = signer
        self._members = members
        self._clock = clock

    async def deliver(self, delivery: Delivery, invite: Invite | None) -> Outcome:
        """See :class:`~mxisd.outbox.courier.Courier`."""
        if invite is None and delivery.token is not None:
            return Outcome("moot", "the invite is not known any more")
        if invite is not None and (settled := await self._settled(delivery, invite)):
            return settled
        invites = [] if invite is None else [self._invite(invite, delivery.user_id or "")]
        try:
            answer = await self._federation.onbind(delivery.destination, self._body(delivery, invites), TIMEOUT)
        except InvalidIdentifier as error:
            return Outcome("refused", str(error))
        except OutboundError as error:
            return Outcome("lost" if error.sent else "later", str(error)[:MAX_TEXT])
        outcome = judge(answer)
        if answer.status in _NOT_THERE and invite is not None and now(self._clock) < invite.created + _UNTIL_THERE:
            return replace(outcome, what="later")
        return outcome

    async def _settled(self, delivery: Delivery, invite: Invite) -> Outcome | None:
        """The outcome without an attempt, if the user is known to be where the invite leads."""
        user_id = delivery.user_id or ""
        if user_id in invite.signed_by:
            return Outcome("moot", "the user has accepted the invite by the link in the mail")
        if not await self._members.has(invite.room_id, user_id):
            return None
        if delivery.lost:
            return Outcome("done", "no answer, but the user was invited")
        return Outcome("moot", "the user is in the room already, or invited there")

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
            "signed": self._signer.sign({"mxid": user_id, "token": invite.token}, invite.published_key),
        }


def judge(answer: HttpResponse) -> Outcome:
    """
    What an answer means for the delivery.

    Only a homeserver's own words are final: a page is from a proxy, and so may be the answer that a path is not known.
    """
    if 200 <= answer.status < 300:
        return _judge_success(answer)
    error = read_error(answer.body)
    text = f"{answer.status} {error.errcode} {error.error}".strip()[:MAX_TEXT]
    if answer.status in _GATEWAY_TIMEOUTS:
        return Outcome("lost", text)
    if answer.status == 500:
        return Outcome("error", text)
    if 400 <= answer.status < 500 and answer.status not in _AGAIN and error.errcode not in _OF_NO_HOMESERVER:
        return Outcome("refused", text)
    return Outcome("later", text, retry_after=retry_after(answer.headers, error))


def _judge_success(answer: HttpResponse) -> Outcome:
    try:
        body = json.decode(answer.body)
    except (ValueError, RecursionError):
        # Nothing at all is what some homeserver may say that has done its work.
        return Outcome("later" if answer.body.strip() else "lost", f"{answer.status}, but no JSON")
    if not isinstance(body, dict):
        return Outcome("lost", f"{answer.status}, but no JSON object")
    return Outcome("done", str(answer.status))
