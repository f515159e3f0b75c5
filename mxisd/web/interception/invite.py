"""The ways to invite an address: ``invite``, ``createRoom``, and sending the event that an invite consists of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from ...clock import DAY
from ...log import Logger
from ...matrix import threepid
from ...matrix.error import MatrixError
from ...matrix.threepid import InvalidAddress, ThreePid
from ...outbox.members import Members
from ...policies.invite import Attempt, InvitePolicy
from ...policies.proofs import Proofs
from ...storage.contract import StorageUnavailable
from ..answer import Relay
from ..body import from_values
from ..endpoint import Call, Handler, PassingOn
from ..proxy import NotAccepted, Proxy
from .body import JSON, Object, as_list, as_object, read, write

log = Logger()

EVENT = "m.room.third_party_invite"
# Nothing comes by here when somebody leaves a room.
NOTED_FOR = DAY


class Invitee(Struct):
    medium: str
    address: str


class InviteInterception:
    """Lets an invite to an address through if the policy allows it, and everything else in any case."""

    def __init__(self, proxy: Proxy, policy: InvitePolicy, proofs: Proofs, members: Members) -> None:
        self._proxy = proxy
        self._policy = policy
        self._proofs = proofs
        self._members = members

    async def forward(self, call: Call) -> object:
        """Send a request on without judging it."""
        return await self._proxy.forward(call, call.passed_body)

    def invite(self, room: int) -> Handler:
        """Judge an invite to the room whose ID is at this place of the path."""

        async def judge(call: Call) -> object:
            body = read(call.raw_body, _INVITEE)
            invitees = [_invitee(body)] if _INVITEE & body.keys() else []
            answer = await self._judge(call, body, call.segment(room), invitees)
            user_id = body.get("user_id")
            if not invitees and isinstance(user_id, str) and isinstance(answer, Relay) and answer.is_success:
                await self._note(call.segment(room), user_id)
            return answer

        return judge

    async def _note(self, room_id: str, user_id: str) -> None:
        """Whoever was invited by user ID is not to be invited by an address too."""
        try:
            await self._members.saw(room_id, user_id, NOTED_FOR)
        except StorageUnavailable as error:
            log.warn("that {user_id} was invited is not noted: {error}", user_id=user_id, error=error)

    async def create_room(self, call: Call) -> object:
        """Judge a new room by the invites that come with it."""
        body = read(call.raw_body, ("invite_3pid", "initial_state"))
        return await self._judge(call, body, None, list(_invitees(body)))

    def event(self, room: int) -> Handler:
        """Judge an event by its type, which stands behind that place of the path at which its room stands."""

        def is_invite(call: Call) -> bool:
            # Not only where the type belongs: with an encoded slash around it, some would find it elsewhere.
            return any(EVENT in call.segment(index) for index in range(room + 1, 0))

        async def judge(call: Call) -> object:
            if not is_invite(call):
                return await self.forward(call)
            body = read(call.raw_body)
            return await self._judge(call, body, call.segment(room), [None] if body else [])

        return PassingOn(judge, unless=is_invite)

    async def _judge(
        self, call: Call, body: Object, room_id: str | None, invitees: Sequence[ThreePid | None]
    ) -> object:
        content = write(body) if call.raw_body else b""
        if invitees:
            try:
                sender = await self._proxy.sender(call)
            except NotAccepted as refusal:
                return refusal.answer
            attempts = [Attempt(sender, room_id, invitee) for invitee in invitees]
            await self._policy.require(*attempts)
            for attempt in attempts:
                await self._proofs.note_invite(attempt)
        return await self._proxy.forward(call, content, JSON)


_INVITEE = frozenset(Invitee.__struct_fields__)


def _invitee(value: Object) -> ThreePid:
    """Whom an invite is for; from now on the address stands there as it is judged."""
    invitee = from_values(value, Invitee)
    try:
        judged = threepid.canonical(invitee.medium, invitee.address)
    except InvalidAddress as error:
        raise MatrixError(400, "M_INVALID_PARAM", f"address: {error}") from None
    value["address"] = judged.address
    return judged


def _invitees(room: Object) -> Iterator[ThreePid | None]:
    for value in as_list(room.get("invite_3pid", []), "invite_3pid"):
        yield _invitee(as_object(value, "An entry of invite_3pid", _INVITEE))
    for value in as_list(room.get("initial_state", []), "initial_state"):
        event = as_object(value, "An event of initial_state", ("type", "content"))
        # Without content it revokes an invite.
        if event.get("type") == EVENT and event.get("content") != {}:
            yield None
