"""The endpoints of the application service (specification: application service API)."""

from __future__ import annotations

import hmac
from typing import Any

from msgspec import Struct

from ...appservice.transactions import Transactions
from ...appservice.users import Users
from ...matrix.error import MatrixError
from ...matrix.homeserver import HomeserverRefused
from ...net.errors import OutboundError
from ..endpoint import Call, Endpoint, Handler, ProgramEndpoint

V1 = "/_matrix/app/v1"

# Synapse sends up to a hundred events at a time, which may have 64 KiB each.
TRANSACTION = 10 * 1024 * 1024


class TransactionParameters(Struct):
    events: list[Any]


class AppServiceEndpoints:
    def __init__(self, transactions: Transactions, users: Users, token: str) -> None:
        """``token`` is the ``hs_token``."""
        self._transactions = transactions
        self._users = users
        self._token = token.encode()

    def with_token(self, handler: Handler) -> Handler:
        """Let only the homeserver through."""

        async def authenticated(call: Call) -> object:
            given = _tokens(call)
            if not given:
                raise MatrixError(401, "M_UNAUTHORIZED", "There is no access token")
            # A homeserver may send the old form beside the new one: then both count.
            if not all(hmac.compare_digest(token, self._token) for token in given):
                raise MatrixError(403, "M_FORBIDDEN", "The access token is not the homeserver's")
            return await handler(call)

        return authenticated

    async def transaction(self, call: Call) -> object:
        """Act on events."""
        await self._transactions.take(call.segment(), call.body(TransactionParameters).events)
        return {}

    async def user(self, call: Call) -> object:
        """Whether a user is ours; then there is one when this returns."""
        user_id = call.segment()
        if user_id not in self._users:
            raise MatrixError(404, "M_NOT_FOUND", "This user is not ours")
        try:
            await self._users.register(user_id)
        except (HomeserverRefused, OutboundError) as error:
            raise MatrixError(502, "M_UNKNOWN", f"The user cannot be registered: {error}") from error
        return {}

    async def room(self, call: Call) -> object:
        """We have no rooms."""
        raise MatrixError(404, "M_NOT_FOUND", "There is no such room alias")

    async def ping(self, call: Call) -> object:
        """The homeserver wants to know whether it reaches us."""
        return {}


def paths(on: AppServiceEndpoints) -> dict[str, Endpoint]:
    """All paths, those of before version 1.4 included."""
    token = on.with_token
    current = {
        "/transactions/{txnId}": ProgramEndpoint(PUT=token(on.transaction), body_limit=TRANSACTION),
        "/users/{userId}": ProgramEndpoint(GET=token(on.user)),
        "/rooms/{roomAlias}": ProgramEndpoint(GET=token(on.room)),
    }
    return {
        **current,
        **{f"{V1}{path}": endpoint for path, endpoint in current.items()},
        f"{V1}/ping": ProgramEndpoint(POST=token(on.ping)),
    }


def _tokens(call: Call) -> list[bytes]:
    request = call.request
    in_query: list[bytes] = request.args.get(b"access_token", [])
    header: bytes | None = request.getHeader(b"authorization")
    if header is None:
        return in_query
    scheme, _, token = header.partition(b" ")
    # Another scheme is a wrong token.
    return [*in_query, token.strip() if scheme.lower() == b"bearer" else b""]
