"""
``check_credentials``: what the homeserver asks, with a module such as ``contrib/synapse/mxisd_password.py``.

The path is mxisd's, and in no specification; ``matrix-synapse-rest-password-provider`` was the first to ask.
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from ...matrix.error import MatrixError
from ...net.networks import Network
from ...stores.passwords import Passwords
from ...stores.store import Profile
from ...stores.stores import StoreFailed
from ..body import from_json
from ..client import Clients
from ..endpoint import Call, Endpoint, ProgramEndpoint

PATH = "/_matrix-internal/identity/v1/check_credentials"


class UserCredentials(Struct):
    id: str
    password: str


class CredentialsParameters(Struct):
    user: UserCredentials


class CheckCredentialsEndpoints:
    """Answers those in the allowed networks: it is an oracle for passwords."""

    def __init__(self, credentials: Passwords, clients: Clients, allowed: Collection[Network]) -> None:
        self._credentials = credentials
        self._clients = clients
        self._allowed = allowed

    def endpoints(self) -> dict[str, Endpoint]:
        """The endpoints by path."""
        return {PATH: ProgramEndpoint(POST=self.check)}

    async def check(self, call: Call) -> object:
        """Whether a password is right, and if so what is known of the user."""
        self._clients.require(call.request, self._allowed, "auth.checkCredentials.allowedCidr")
        user = from_json(call.raw_body, CredentialsParameters).user
        try:
            profile = await self._credentials.check(user.id, user.password)
        except StoreFailed:
            raise MatrixError(503, "M_UNKNOWN", "Not all identity stores could be asked; please try again") from None
        if profile is None:
            return {"auth": {"success": False}}
        # The name stood beside the profile in mxisd, in which it was not.
        name = {} if profile.display_name is None else {"display_name": profile.display_name}
        return {"auth": {"success": True, "mxid": profile.user_id, **name, "profile": _known(profile)}}


def _known(profile: Profile) -> object:
    name = {} if profile.display_name is None else {"display_name": profile.display_name}
    return {**name, "three_pids": [{"medium": medium, "address": address} for medium, address in profile.threepids]}
