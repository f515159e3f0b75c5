"""Tells a homeserver what the policies decide: ``/_matrix/mxisd/v1/policy``."""

from __future__ import annotations

from hmac import compare_digest

from msgspec import Struct

from ...matrix import threepid
from ...matrix.error import MatrixError
from ...matrix.ids import InvalidIdentifier, server_of
from ...matrix.threepid import InvalidAddress
from ...policies.invite import Attempt, InvitePolicy
from ...policies.proofs import Proofs
from ..endpoint import Call, Endpoint, ProgramEndpoint

PATH = "/_matrix/mxisd/v1/policy/invite"


class InviteParameters(Struct):
    """An invite; one without ``medium`` and ``address`` is an event that a client sends itself."""

    sender: str
    medium: str | None = None
    address: str | None = None
    room_id: str | None = None


class PolicyEndpoints:
    """Answers whoever has the token of the configuration."""

    def __init__(self, policy: InvitePolicy, proofs: Proofs, token: str) -> None:
        self._policy = policy
        self._proofs = proofs
        self._token = token.encode()

    def endpoints(self) -> dict[str, Endpoint]:
        """The endpoints by path."""
        return {PATH: ProgramEndpoint(GET=self.invite, POST=self.invite)}

    async def invite(self, call: Call) -> object:
        """Say whether an invite, described in the query or in a JSON body, may be sent, and how that comes out."""
        if not compare_digest((call.access_token() or "").encode(), self._token):
            raise MatrixError(401, "M_UNAUTHORIZED", "The access token is missing or not known")
        attempt = _attempt(call.body(InviteParameters))
        decision = await self._policy.decide(attempt)
        if decision.allowed:
            await self._proofs.note_invite(attempt)
        return {"allowed": decision.allowed, "steps": decision.steps}


def _attempt(invite: InviteParameters) -> Attempt:
    try:
        server_of(invite.sender)
        if invite.medium is None and invite.address is None:
            return Attempt(invite.sender, invite.room_id, None)
        address = threepid.canonical(invite.medium or "", invite.address or "")
        return Attempt(invite.sender, invite.room_id, address)
    except (InvalidIdentifier, InvalidAddress) as error:
        raise MatrixError(400, "M_INVALID_PARAM", str(error)) from None
