"""``3pid/bind`` and ``3pid/unbind``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from msgspec import UNSET, Raw, Struct, UnsetType

from ...matrix.error import MatrixError
from ...matrix.threepid import fold
from ...threepids.binding import Bindings
from ..body import from_json
from ..endpoint import Call


class BindParameters(Struct):
    sid: str
    client_secret: str
    mxid: str


class ThreePidParameters(Struct):
    medium: str
    address: str


class UnbindParameters(Struct):
    threepid: ThreePidParameters
    mxid: str
    sid: str | UnsetType = UNSET
    client_secret: str | UnsetType = UNSET


# Checks the X-Matrix header of a request, given its method, URI and content, and the server that has to have signed it.
Authenticate: TypeAlias = Callable[[str, str, str, object, str], Awaitable[None]]


class ThreePidEndpoints:
    def __init__(self, publication: Bindings, authenticate: Authenticate) -> None:
        self._publication = publication
        self._authenticate = authenticate

    async def bind(self, call: Call) -> object:
        """Publish the address of a validated session for a user; in v2, only for the one who asks."""
        given = call.body(BindParameters)
        if call.user_id is not None and call.user_id != given.mxid:
            raise MatrixError(403, "M_UNAUTHORIZED", f"The access token is not of {given.mxid}")
        return Raw(await self._publication.bind(given.sid, given.client_secret, given.mxid))

    async def unbind(self, call: Call) -> object:
        """Withdraw an address: by the proof of a session, or for the user's homeserver by its signature."""
        given = call.body(UnbindParameters)
        address = fold(given.threepid.medium, given.threepid.address)
        server = self._publication.check_unbind(given.mxid)
        try:
            if given.sid is not UNSET and given.client_secret is not UNSET:
                await self._publication.unbind_by_session(given.sid, given.client_secret, address, given.mxid)
            else:
                await self._check_signature(call, server)
                await self._publication.unbind_by_server(address, given.mxid)
        except MatrixError:
            await self._publication.refuse_unbind(address, given.mxid)
            raise
        return {}

    async def _check_signature(self, call: Call, server: str) -> None:
        """See that a homeserver has signed the request.  Raises :class:`MatrixError`."""
        header = call.request.getHeader(b"authorization")
        if header is None:
            raise MatrixError(403, "M_FORBIDDEN", "Neither a session nor the signature of a homeserver was given")
        # Latin-1 takes any bytes: what is no ASCII is not as it was signed.
        method, uri = call.request.method.decode("latin-1"), call.request.uri.decode("latin-1")
        content = from_json(call.raw_body, object)
        await self._authenticate(header.decode("latin-1"), method, uri, content, server)
