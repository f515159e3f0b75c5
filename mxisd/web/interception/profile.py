"""The profile of a user, with what the identity stores know."""

from __future__ import annotations

from ...matrix.error import MatrixError
from ...stores.profiles import StoreProfiles
from ..endpoint import Call
from ..proxy import Proxy
from .body import Object, read, write


class ProfileInterception:
    """Adds to what the homeserver says of its users, and changes nothing of it."""

    def __init__(self, proxy: Proxy, knowledge: StoreProfiles, *, public: bool) -> None:
        """``public`` is whether addresses and roles are for everybody, or only for users of the homeserver."""
        self._proxy = proxy
        self._knowledge = knowledge
        self._public = public

    async def profile(self, call: Call) -> object:
        """A profile: ``displayname`` where the homeserver has none, ``threepids`` and ``roles``."""
        answer = await self._proxy.fetch(call)
        profile = _read(answer.body) if answer.status == 200 else None
        if profile is None or not await self._may_see(call):
            return answer
        added = {key: value for key, value in (await self._known(call)).items() if profile.get(key) is None and value}
        if added:
            answer.body = write({**profile, **added})
        return answer

    async def _may_see(self, call: Call) -> bool:
        try:
            return self._public or await self._proxy.has_account(call)
        except MatrixError:
            return False

    async def _known(self, call: Call) -> Object:
        known = await self._knowledge.of(call.segment())
        return {
            "displayname": known.display_name,
            "threepids": [{"medium": medium, "address": address} for medium, address in known.threepids],
            "roles": sorted(known.roles),
        }


def _read(body: bytes) -> Object | None:
    try:
        return read(body)
    except MatrixError:
        return None
