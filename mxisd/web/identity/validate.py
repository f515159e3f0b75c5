"""``validate/{email,msisdn}``: sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta, Struct

from ...config.session import Validation
from ...limits.limits import Requester
from ...matrix import threepid
from ...matrix.error import MatrixError
from ...matrix.threepid import InvalidAddress, ThreePid
from ...policies.newcomers import Newcomers
from ...threepids.next_link import NextLink
from ...threepids.validation import ValidationSessions
from ..client import Clients
from ..endpoint import Answer, Call, Handler
from ..pages import Pages, Proof

# Where the link in a message leads, whichever version of the API it was asked for by: proxies pass on nothing that
# does not begin with /_matrix/identity.
CONFIRM = "/_matrix/identity/confirm"

# Whatever a client counts by, within what a database and JavaScript can hold.
SendAttempt = Annotated[int, Meta(ge=0, lt=2**53)]


class EmailToken(Struct):
    client_secret: str
    email: str
    send_attempt: SendAttempt
    next_link: str | None = None


class PhoneToken(Struct):
    client_secret: str
    phone_number: str
    send_attempt: SendAttempt
    country: str | None = None
    next_link: str | None = None


class SubmittedToken(Struct):
    sid: str
    client_secret: str
    token: str


class SessionProof(Struct):
    sid: str
    client_secret: str


class ValidateEndpoints:
    def __init__(
        self,
        sessions: ValidationSessions,
        clients: Clients,
        pages: Pages,
        policy: Validation,
        newcomers: Newcomers | None = None,
        *,
        asking_first: bool = True,
    ) -> None:
        """
        Validation of addresses.

        ``newcomers``: who may have phone numbers validated, since homeservers leave that to us; without it, all.
        ``asking_first``: whether links in messages validate when a button is pressed, not when they are opened.
        """
        self._asking_first = asking_first
        self._policy = policy
        self._sessions = sessions
        self._clients = clients
        self._pages = pages
        self._newcomers = newcomers

    async def request_email_token(self, call: Call) -> object:
        """Mail a token to an address."""
        asked = call.body(EmailToken)
        try:
            address = threepid.email(asked.email)
        except InvalidAddress as error:
            raise MatrixError(400, "M_INVALID_EMAIL", str(error)) from None
        return await self._request_token(call, address, asked)

    async def request_phone_token(self, call: Call) -> object:
        """Text a token to a number."""
        asked = call.body(PhoneToken)
        try:
            number = threepid.phone(asked.phone_number, asked.country)
        except InvalidAddress as error:
            raise MatrixError(400, "M_INVALID_ADDRESS", str(error)) from None
        if self._newcomers is not None:
            await self._newcomers.require(number, call.user_id)
        answer = await self._request_token(call, number, asked)
        # Not in the specification: Sydent answers so, and Element shows it.
        return {**answer, "msisdn": number.address, "intl_fmt": threepid.international(number)}

    async def _request_token(self, call: Call, to: ThreePid, asked: EmailToken | PhoneToken) -> dict[str, object]:
        if not self._policy.enabled:
            raise MatrixError(403, "M_FORBIDDEN", "Addresses cannot be validated here")
        beside = call.path().removesuffix("requestToken") + "submitToken"
        path = f"{CONFIRM}/{to.medium}" if self._asking_first else beside
        sid = await self._sessions.request_token(
            to,
            asked.client_secret,
            asked.send_attempt,
            asked.next_link or None,
            path,
            call.accept_language(),
            by=Requester(call.user_id, self._clients.address(call.request)),
        )
        return {"sid": sid, "success": True}

    def submit(self, medium: str) -> Handler:
        """For clients: validate a session by its token."""

        async def submit_token(call: Call) -> object:
            given = call.body(SubmittedToken)
            await self._sessions.submit_token(medium, given.sid, given.client_secret, given.token)
            return {"success": True}

        return submit_token

    async def ask(self, call: Call) -> object:
        """For people: the link in the message.  Mail filters open links too: nothing changes by it."""
        try:
            proof = call.query(Proof)
        except MatrixError as error:
            return self._pages.failure(error, call.accept_language())
        # The token stays unread: whoever began the session could otherwise try one after the other here.
        next_link = await self._sessions.next_link(proof.sid, proof.client_secret)
        return self._pages.confirm(proof, next_link, call.accept_language())

    def confirm(self, medium: str) -> Handler:
        """For people: what the button of that page does."""

        async def submit_token(call: Call) -> object:
            return await self._submit(
                call, call.body, medium, lambda link: self._pages.going_on(link, call.accept_language())
            )

        return submit_token

    def submit_page(self, medium: str) -> Handler:
        """The same by a link, as the specification has it: answered with a page, or the session's ``next_link``."""

        async def submit_token(call: Call) -> object:
            if call.is_prefetch():
                # Refused, so that the browser asks again when its user follows the link.
                return Answer(503, {b"Cache-Control": b"no-store"}, b"")
            return await self._submit(
                call, call.query, medium, lambda link: Answer(302, {b"Location": link.url.encode()}, b"")
            )

        return submit_token

    async def _submit(
        self,
        call: Call,
        read: Callable[[type[SubmittedToken]], SubmittedToken],
        medium: str,
        go_on: Callable[[NextLink], Answer],
    ) -> Answer:
        """Validate by what ``read`` finds in a request, and answer with a page; ``go_on`` leads to the next link."""
        try:
            given = read(SubmittedToken)
            address, next_link = await self._sessions.submit_token(medium, given.sid, given.client_secret, given.token)
        except MatrixError as error:
            return self._pages.failure(error, call.accept_language())
        if next_link is not None:
            return go_on(next_link)
        return self._pages.success(threepid.readable(address), call.accept_language())

    async def look_at_page(self, call: Call) -> object:
        """A HEAD: link scanners and previews look, and must not validate."""
        return self._pages.success("", call.accept_language())

    async def get_validated(self, call: Call) -> object:
        """The address that a session has validated, and when."""
        given = call.query(SessionProof)
        session = await self._sessions.validated(given.sid, given.client_secret)
        return {**session.threepid._asdict(), "validated_at": session.validated_at}
