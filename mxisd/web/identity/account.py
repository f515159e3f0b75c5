"""``account`` and ``terms``, and what every endpoint of v2 asks of a request first."""

from __future__ import annotations

from msgspec import Struct

from ...accounts.accounts import Accounts
from ...accounts.terms import Terms
from ...limits.limits import Requester
from ..client import Clients
from ..endpoint import Call, Handler


class OpenIDParameters(Struct):
    """What is used of an OpenID token; its type and its end are not, and clients leave them out."""

    access_token: str
    matrix_server_name: str


class TermsParameters(Struct):
    user_accepts: list[str]


class AccountEndpoints:
    def __init__(self, accounts: Accounts, terms: Terms, clients: Clients) -> None:
        self._accounts = accounts
        self._terms = terms
        self._clients = clients

    def with_token(self, handler: Handler) -> Handler:
        """Let only requests with a good access token through; credentials are judged before anything else."""

        async def authenticated(call: Call) -> object:
            call.user_id = (await self._accounts.authenticate(call.access_token())).user_id
            return await handler(call)

        return authenticated

    def with_terms(self, handler: Handler) -> Handler:
        """Let only requests with a good access token through whose user has accepted the terms."""

        async def agreed(call: Call) -> object:
            account = await self._accounts.authenticate(call.access_token())
            self._terms.require(account, call.path())
            call.user_id = account.user_id
            return await handler(call)

        return agreed

    async def register(self, call: Call) -> object:
        """Exchange an OpenID token for an access token."""
        openid = call.body(OpenIDParameters)
        by = Requester(None, self._clients.address(call.request))
        access_token = await self._accounts.register(openid.matrix_server_name, openid.access_token, by)
        # "access_token" is not in the specification: Sydent sends both, and clients came to read it.
        return {"token": access_token, "access_token": access_token}

    async def account(self, call: Call) -> object:
        """Who the token belongs to."""
        return {"user_id": call.owner()}

    async def logout(self, call: Call) -> object:
        """End the token that came with the request."""
        await self._accounts.logout(call.access_token() or "")
        return {}

    async def terms(self, call: Call) -> object:
        """The policies of this server."""
        return {"policies": self._terms.offered}

    async def accept_terms(self, call: Call) -> object:
        """Add to what the user has accepted."""
        await self._terms.accept(call.owner(), call.body(TermsParameters).user_accepts)
        return {}
