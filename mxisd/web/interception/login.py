"""Logins with an address, or with a user name that a rule takes for an address."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from ...lookup.identifiers import Identifiers
from ...matrix import threepid
from ...matrix.threepid import InvalidAddress, ThreePid, fold
from ..endpoint import Call
from ..proxy import Proxy
from .body import JSON, Object, read, write


class UserIdentifier(Struct, tag_field="type", tag="m.id.user"):
    user: str


class ThreePidIdentifier(Struct, tag_field="type", tag="m.id.thirdparty"):
    medium: str
    address: str


class PhoneIdentifier(Struct, tag_field="type", tag="m.id.phone"):
    """``number`` is what Synapse calls it, and so clients do."""

    country: str | None = None
    phone: str | None = None
    number: str | None = None


Identifier = UserIdentifier | ThreePidIdentifier | PhoneIdentifier

# Where clients put them before there were identifiers.  Synapse prefers these: they must not stay beside another.
_LEGACY = ("user", "medium", "address")


class LoginInterception:
    """Puts user IDs in the place of addresses that are known; the homeserver judges the rest, passwords above all."""

    def __init__(self, proxy: Proxy, identifiers: Identifiers) -> None:
        self._proxy = proxy
        self._identifiers = identifiers

    async def log_in(self, call: Call) -> object:
        """Send a login on."""
        body = read(call.raw_body)
        identifier = _identifier(body)
        user_id = await self._user_behind(identifier)
        if user_id is not None:
            body = {key: value for key, value in body.items() if key not in _LEGACY}
            body["identifier"] = {"type": "m.id.user", "user": user_id}
        elif isinstance(identifier, ThreePidIdentifier):
            # In the spelling that it was registered in: to the homeserver, those of a domain are different domains.
            where = body if body.get("identifier") is None else body["identifier"]
            where["address"] = _folded(identifier).address
        return await self._proxy.forward(call, write(body), JSON)

    async def _user_behind(self, identifier: Identifier | None) -> str | None:
        match identifier:
            case UserIdentifier(user):
                return await self._identifiers.of_name(user)
            case ThreePidIdentifier():
                return await self._identifiers.of_threepid(_folded(identifier))
            case PhoneIdentifier(country, phone, number):
                try:
                    dialled = threepid.phone(phone or number or "", country)
                except InvalidAddress:
                    return None
                return await self._identifiers.of_threepid(dialled)
        return None


def _folded(identifier: ThreePidIdentifier) -> ThreePid:
    return fold(identifier.medium, identifier.address.strip())


def _identifier(body: Object) -> Identifier | None:
    """What a login says whose it is; ``None`` if that is none of the kinds that are known here."""
    given = body.get("identifier")
    if given is None:
        given = {**body, "type": "m.id.thirdparty" if "medium" in body else "m.id.user"}
    try:
        identifier: Identifier = msgspec.convert(given, Identifier)
    except msgspec.ValidationError:
        return None
    return identifier
