"""Validation of an address to register with, or to add to an account."""

from __future__ import annotations

from msgspec import Struct

from ...matrix import threepid
from ...matrix.error import MatrixError
from ...matrix.threepid import EMAIL, MSISDN, InvalidAddress, ThreePid
from ...policies.proofs import Proofs
from ...policies.registration import RegistrationPolicy
from ..body import from_values
from ..endpoint import Call
from ..proxy import Proxy
from .body import JSON, Object, as_object, read, write


class EmailParameters(Struct):
    email: str


class PhoneParameters(Struct):
    country: str
    phone_number: str


class RegistrationInterception:
    """Lets addresses through that the policy allows."""

    def __init__(self, proxy: Proxy, policy: RegistrationPolicy, proofs: Proofs) -> None:
        self._proxy = proxy
        self._policy = policy
        self._proofs = proofs

    async def request_token(self, call: Call) -> object:
        """Judge the address that a token is to be sent to; its medium is the last segment but one."""
        body = read(call.raw_body)
        address = _address(call.segment(-2), body)
        await self._policy.require(address)
        if address.medium == EMAIL:
            # A homeserver may take another spelling for another domain: mail shall go to what was judged.
            body["email"] = address.address
        return await self._proxy.forward(call, write(body), JSON)

    async def request_token_for_account(self, call: Call) -> object:
        """The same, unless an access token shows that there is an account; what is proven serves a registration too."""
        body = read(call.raw_body)
        address = _address(call.segment(-2), body)
        if await self._proxy.has_account(call):
            await self._proofs.note_validation(address)
        else:
            await self._policy.require(address)
        return await self._proxy.forward(call, write(body), JSON)


def _address(medium: str, body: Object) -> ThreePid:
    try:
        if medium == EMAIL:
            return threepid.email(
                from_values(as_object(body, "The body", EmailParameters.__struct_fields__), EmailParameters).email
            )
        if medium == MSISDN:
            given = from_values(as_object(body, "The body", PhoneParameters.__struct_fields__), PhoneParameters)
            return threepid.phone(given.phone_number, given.country)
    except InvalidAddress as error:
        errcode = "M_INVALID_EMAIL" if medium == EMAIL else "M_INVALID_PARAM"
        raise MatrixError(400, errcode, str(error)) from None
    raise MatrixError(404, "M_UNRECOGNIZED", f"Addresses of the medium {medium!r} are not supported")
