"""``pubkey``: the keys that we sign with, and whether a key is one of ours."""

from __future__ import annotations

from msgspec import Struct

from ...invites.invites import Invites
from ...matrix.error import MatrixError
from ...matrix.signing import Signer
from ..endpoint import Call


class PublicKey(Struct):
    public_key: str


class PubkeyEndpoints:
    def __init__(self, signer: Signer, invites: Invites) -> None:
        self._signer = signer
        self._invites = invites

    async def key(self, call: Call) -> object:
        """A long-term key by its ID."""
        public_key = self._signer.public_key(call.segment())
        if public_key is None:
            raise MatrixError(404, "M_NOT_FOUND", "There is no key with this ID")
        return {"public_key": public_key}

    async def is_valid(self, call: Call) -> object:
        """Whether a key is one of our long-term keys."""
        return {"valid": self._signer.knows(call.query(PublicKey).public_key)}

    async def is_valid_ephemeral(self, call: Call) -> object:
        """Whether a key was made for an invite of ours."""
        return {"valid": await self._invites.has_ephemeral_key(call.query(PublicKey).public_key)}
