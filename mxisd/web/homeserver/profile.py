"""
The roles of a user, for programs of the administrator's that decide by them.

The path is mxisd's, and in no specification.
"""

from __future__ import annotations

from collections.abc import Collection

from ...matrix.error import MatrixError
from ...net.networks import Network
from ...stores.store import Roles
from ...stores.stores import StoreFailed
from ..client import Clients
from ..endpoint import Call, Endpoint, ProgramEndpoint

PATH = "/_matrix-internal/profile/v1/{userId}"


class RolesEndpoints:
    """Answers those in the allowed networks."""

    def __init__(self, roles: Roles, clients: Clients, allowed: Collection[Network]) -> None:
        self._roles = roles
        self._clients = clients
        self._allowed = allowed

    def endpoints(self) -> dict[str, Endpoint]:
        """The endpoints by path."""
        return {PATH: ProgramEndpoint(GET=self.roles)}

    async def roles(self, call: Call) -> object:
        """The roles of a user; of one that is not known, none."""
        self._clients.require(call.request, self._allowed, "auth.checkCredentials.allowedCidr")
        try:
            return {"roles": sorted(await self._roles.roles(call.segment()))}
        except StoreFailed:
            raise MatrixError(503, "M_UNKNOWN", "Not all identity stores could be asked; please try again") from None
