"""
``/_matrix/identity/internal``: addresses that a homeserver has validated itself, as its bind modules tell Sydent.

Nothing proves anything here: who may ask is decided by who reaches the listener.
"""

from __future__ import annotations

from msgspec import Raw, Struct

from ...matrix.error import MatrixError
from ...matrix.threepid import InvalidAddress, ThreePid, canonical
from ...threepids.binding import Bindings
from ..endpoint import Call, Endpoint, ProgramEndpoint

PATH = "/_matrix/identity/internal"


class InternalBindParameters(Struct):
    medium: str
    address: str
    mxid: str


class InternalEndpoints:
    def __init__(self, bindings: Bindings) -> None:
        self._bindings = bindings

    def endpoints(self) -> dict[str, Endpoint]:
        """The endpoints by path."""
        return {f"{PATH}/bind": ProgramEndpoint(POST=self.bind), f"{PATH}/unbind": ProgramEndpoint(POST=self.unbind)}

    async def bind(self, call: Call) -> object:
        """Publish an address for a user."""
        given = _given(call)
        return Raw(await self._bindings.bind_for_server(_address(given), given.mxid))

    async def unbind(self, call: Call) -> object:
        """Withdraw an address of a user; it is no error if it is not bound."""
        given = _given(call)
        self._bindings.check_unbind(given.mxid)
        await self._bindings.unbind_by_server(_address(given), given.mxid)
        return {}


def _given(call: Call) -> InternalBindParameters:
    # Of a page that is open in a browser beside us, which reaches what only this machine does.
    if call.request.getHeader(b"origin") is not None:
        raise MatrixError(403, "M_FORBIDDEN", "This is not for pages")
    return call.body(InternalBindParameters)


def _address(given: InternalBindParameters) -> ThreePid:
    try:
        return canonical(given.medium, given.address)
    except InvalidAddress as error:
        raise MatrixError(400, "M_INVALID_PARAM", f"address: {error}") from None
