"""Binding validated addresses to user IDs, and unbinding them."""

from __future__ import annotations

from msgspec import json
from twisted.internet.interfaces import IReactorTime

from ..clock import now
from ..config.session import SessionPolicy
from ..log import audit
from ..matrix.association import association
from ..matrix.error import MatrixError
from ..matrix.ids import InvalidIdentifier, server_of
from ..matrix.signing import Signer
from ..matrix.threepid import ThreePid, redacted
from ..outbox.courier import Outbox
from ..storage.contract import BindingStorage
from ..storage.records import Binding
from .unbind_notices import UnbindNotices
from .validation import ValidationSessions


class Bindings:
    """Publishes and withdraws bindings, for user IDs of the domains that we answer for."""

    def __init__(
        self,
        bindings: BindingStorage,
        sessions: ValidationSessions,
        outbox: Outbox,
        notices: UnbindNotices,
        signer: Signer,
        clock: IReactorTime,
        policy: SessionPolicy,
    ) -> None:
        self._bindings = bindings
        self._sessions = sessions
        self._outbox = outbox
        self._notices = notices
        self._signer = signer
        self._clock = clock
        self._domains = policy.bind.domains
        self._unbind = policy.unbind

    async def bind(self, sid: str, client_secret: str, user_id: str) -> bytes:
        """
        Bind the address that a session validated; the invites that waited for it go to the user's homeserver.

        Returns the signed association as JSON.  Raises :class:`MatrixError`: those of
        :meth:`ValidationSessions.validated`, ``M_INVALID_PARAM``, ``M_FORBIDDEN``.
        """
        server = self._check_user(user_id)
        session = await self._sessions.validated(sid, client_secret)
        return await self._publish(session.threepid, user_id, server)

    async def bind_for_server(self, threepid: ThreePid, user_id: str) -> bytes:
        """
        The same for an address that the user's homeserver has validated.

        Raises :class:`MatrixError`: ``M_INVALID_PARAM``, ``M_FORBIDDEN``.
        """
        return await self._publish(threepid, user_id, self._check_user(user_id))

    async def _publish(self, threepid: ThreePid, user_id: str, server: str) -> bytes:
        current = now(self._clock)
        signed = json.encode(association(self._signer, threepid, user_id, current))
        binding = Binding(threepid=threepid, user_id=user_id, bound_at=current, signed=signed)
        ended = await self._bindings.bind(binding, server)
        audit.info(
            "bound {address} to {user_id}; {number} invites were waiting",
            address=redacted(threepid),
            user_id=user_id,
            number=len(ended),
        )
        self._outbox.wake()
        return signed

    async def unbind_by_session(self, sid: str, client_secret: str, threepid: ThreePid, user_id: str) -> None:
        """
        Remove a binding for whoever validated the address.

        Raises :class:`MatrixError`: ``M_FORBIDDEN`` for any session that is no proof of this address.
        """
        try:
            session = await self._sessions.validated(sid, client_secret)
        except MatrixError as error:
            raise MatrixError(403, "M_FORBIDDEN", f"The session is no proof: {error.message}") from error
        if session.threepid != threepid:
            raise MatrixError(403, "M_FORBIDDEN", "The session is no proof: it was for another address")
        await self._remove(threepid, user_id, "whoever validated it")

    async def refuse_unbind(self, threepid: ThreePid, user_id: str) -> None:
        """The request for an unbind was not authorised: tell the owner of the address."""
        await self._notices.refused(threepid, user_id)

    async def unbind_by_server(self, threepid: ThreePid, user_id: str) -> None:
        """Remove a binding for the homeserver of its user, which has signed the request."""
        if await self._remove(threepid, user_id, "the homeserver"):
            self._notices.unbound(threepid)

    async def _remove(self, threepid: ThreePid, user_id: str, by: str) -> bool:
        removed = await self._bindings.unbind(threepid, user_id)
        if removed:
            audit.info("unbound {address} from {user_id}, by {by}", address=redacted(threepid), user_id=user_id, by=by)
        return removed

    def check_unbind(self, user_id: str) -> str:
        """
        Check that addresses of a user may be unbound here, and return the server name of the user.

        Raises :class:`MatrixError`: ``M_UNRECOGNIZED`` where unbinding is switched off, which homeservers take for "not
        supported" when they deactivate an account; ``M_INVALID_PARAM``, ``M_FORBIDDEN``.
        """
        if not self._unbind.enabled:
            raise MatrixError(404, "M_UNRECOGNIZED", "Addresses cannot be unbound here")
        return self._check_user(user_id)

    def _check_user(self, user_id: str) -> str:
        try:
            server = server_of(user_id)
        except InvalidIdentifier as error:
            raise MatrixError(400, "M_INVALID_PARAM", f"mxid: {error}") from None
        if "*" not in self._domains and server not in self._domains:
            raise MatrixError(403, "M_FORBIDDEN", f"User IDs of {server} cannot be bound or unbound here")
        return server
