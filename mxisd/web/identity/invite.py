"""``store-invite`` and ``sign-ed25519``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct, json

from ...invites.invites import Invites
from ...limits.limits import Requester
from ...matrix import threepid
from ...matrix.error import MatrixError
from ...matrix.signing import Signer
from ...matrix.threepid import EMAIL, InvalidAddress, ThreePid
from ...storage.records import Invite
from ..body import from_values
from ..client import Clients
from ..endpoint import Call

_REQUIRED = ("medium", "address", "room_id", "sender")
# What the homeserver found in the state of the room.  That may be broken, and is no reason to refuse the invite.
_TEXTS = (
    "room_alias",
    "room_avatar_url",
    "room_join_rules",
    "room_name",
    "room_type",
    "sender_avatar_url",
    "sender_display_name",
)


# Of all fields together that only templates of the administrator's could know, as JSON.
MAX_UNKNOWN_BYTES = 4096


class StoreInvite(Struct):
    medium: str
    address: str
    room_id: str
    sender: str


class Acceptance(Struct):
    mxid: str
    token: str
    private_key: str


class InviteEndpoints:
    def __init__(
        self,
        invites: Invites,
        clients: Clients,
        signer: Signer,
        public_url: str,
        shown: Callable[[ThreePid], str] = threepid.redacted,
    ) -> None:
        """``shown`` is what a room gets to see of an address."""
        self._invites = invites
        self._clients = clients
        self._signer = signer
        self._public_url = public_url
        self._shown = shown

    async def store_v1(self, call: Call) -> object:
        """Keep an invite; the answer has the long-term key by itself too."""
        answer = await self._store(call, "/_matrix/identity/api/v1")
        return answer | {"public_key": answer["public_keys"][0]["public_key"]}

    async def store_v2(self, call: Call) -> object:
        """Keep an invite."""
        return await self._store(call, "/_matrix/identity/v2")

    async def _store(self, call: Call, api: str) -> dict[str, Any]:
        given = call.body(dict[str, Any])
        asked = from_values(given, StoreInvite)
        if asked.medium != EMAIL:
            raise MatrixError(400, "M_UNRECOGNIZED", f"Invites to the medium {asked.medium!r} are not supported")
        try:
            address = threepid.email(asked.address)
        except InvalidAddress as error:
            raise MatrixError(400, "M_INVALID_EMAIL", str(error)) from None
        invite = await self._invites.store(
            address,
            asked.room_id,
            asked.sender,
            _fields(given),
            written=asked.address,
            by=Requester(call.user_id, self._clients.address(call.request)),
        )
        return self._answer(invite, api)

    def _answer(self, invite: Invite, api: str) -> dict[str, Any]:
        keys = self._public_url + api + "/pubkey"
        # What is signed about the invite is by the key that was published with it, though another may sign by now.
        published = self._signer.public_key(invite.published_key or "")
        return {
            "token": invite.token,
            "display_name": self._shown(invite.threepid),
            "public_keys": [
                {
                    "public_key": published or self._signer.public_key(self._signer.key_id),
                    "key_validity_url": f"{keys}/isvalid",
                },
                {"public_key": invite.ephemeral_public_key, "key_validity_url": f"{keys}/ephemeral/isvalid"},
            ],
        }

    async def sign(self, call: Call) -> object:
        """Sign the acceptance of an invite for an invitee who cannot do so."""
        given = call.body(Acceptance)
        return await self._invites.sign(given.token, given.private_key, given.mxid)


def _fields(given: Mapping[str, Any]) -> dict[str, object]:
    """What is kept of an invite besides what is required; of what nobody knows, only so much."""
    fields: dict[str, object] = {name: given[name] for name in _TEXTS if isinstance(given.get(name), str)}
    room = MAX_UNKNOWN_BYTES
    for name, value in given.items():
        if name not in _REQUIRED and name not in _TEXTS:
            size = len(json.encode((name, value)))
            if size <= room:
                room -= size
                fields[name] = value
    return fields
