"""Storing invites (specification: identity service API, "Invitation storage")."""

from __future__ import annotations

from datetime import timedelta

from twisted.internet.interfaces import IReactorTime

from ..clock import MINUTE, Random, milliseconds, now, token
from ..limits.limits import RateLimits, Requester
from ..lookup.recursion import Recursion
from ..matrix import signing
from ..matrix.error import MatrixError
from ..matrix.ids import InvalidIdentifier, check_room_id, server_of
from ..matrix.signing import Signer
from ..matrix.threepid import ThreePid
from ..outbox.courier import Outbox
from ..policies.invite import Attempt, InvitePolicy
from ..policies.proofs import Proofs
from ..storage.contract import InviteStorage as Store
from ..storage.records import Invite

# The same invite again is a retry of the homeserver's, unless that long has passed.
QUIET = MINUTE


class Invites:
    """Takes invites in, and signs for those who accept them."""

    def __init__(
        self,
        store: Store,
        policy: InvitePolicy,
        proofs: Proofs,
        recursion: Recursion,
        outbox: Outbox,
        signer: Signer,
        clock: IReactorTime,
        random: Random,
        domain: str,
        limits: RateLimits,
        remind_after: timedelta | None = None,
    ) -> None:
        """
        ``domain`` is that of our users.

        ``remind_after``: how long after an invite there is to be one more message about it.
        """
        self._store = store
        self._policy = policy
        self._proofs = proofs
        self._recursion = recursion
        self._outbox = outbox
        self._signer = signer
        self._clock = clock
        self._random = random
        self._domain = domain
        self._limits = limits
        self._remind_after = None if remind_after is None else milliseconds(remind_after)

    async def store(
        self,
        threepid: ThreePid,
        room_id: str,
        sender: str,
        fields: dict[str, object],
        *,
        account: str | None,
        requester: str,
    ) -> Invite:
        """
        Keep an invite and queue its message; the one that is there, if it was sent before.

        ``account`` is the user whose access token came with it, if any, and ``requester`` the IP address it came from.
        Raises :class:`MatrixError`: ``M_INVALID_PARAM``, ``M_FORBIDDEN``, ``M_LIMIT_EXCEEDED``, ``M_THREEPID_IN_USE``
        with the ``mxid``.
        """
        try:
            check_room_id(room_id)
            server = server_of(sender)
        except InvalidIdentifier as error:
            raise MatrixError(400, "M_INVALID_PARAM", str(error)) from None
        if account not in (None, sender):
            raise MatrixError(403, "M_FORBIDDEN", f"The access token is not of {sender}")
        if account is None and server != self._domain:
            raise MatrixError(403, "M_FORBIDDEN", f"Users of {server} need an access token to invite")
        # Once more: not every homeserver has us in front of it.
        attempt = Attempt(sender, room_id, threepid)
        await self._policy.require(attempt)
        await self._limits.invite(threepid, sender, Requester(account, requester))
        user_id = await self._recursion.of(requester).find(threepid)
        if user_id is not None:
            raise MatrixError(400, "M_THREEPID_IN_USE", "The address belongs to a user already", mxid=user_id)
        current = now(self._clock)
        private_key, public_key = signing.ephemeral_key(self._random)
        invite = await self._store.add(
            Invite(
                token=token(self._random),
                threepid=threepid,
                room_id=room_id,
                sender=sender,
                created=current,
                ephemeral_public_key=public_key,
                ephemeral_private_key=private_key,
                fields=fields,
                due=current,
                notified_at=current,
                proven=account is not None or await self._proofs.take_invite(attempt),
            ),
            resend_before=current - QUIET,
            reminder_due=None if self._remind_after is None else current + self._remind_after,
        )
        self._outbox.wake()
        return invite

    async def sign(self, token: str, private_key: str, user_id: str) -> dict[str, object]:
        """
        Sign the acceptance of an invite with a key that the invitee holds.

        Raises :class:`MatrixError`: ``M_UNRECOGNIZED`` for an unknown token, ``M_INVALID_PARAM``.
        """
        invite = await self._store.get(token)
        if invite is None:
            raise MatrixError(404, "M_UNRECOGNIZED", "There is no invite with this token")
        content: dict[str, object] = {"mxid": user_id, "sender": invite.sender, "token": token}
        try:
            server_of(user_id)
            if invite.only_key is not None:
                return self._signed_with_only_key(invite, private_key, content)
            return signing.sign_with_private(private_key, self._signer.server_name, content)
        except InvalidIdentifier as error:
            raise MatrixError(400, "M_INVALID_PARAM", f"mxid: {error}") from None
        except ValueError as error:
            raise MatrixError(400, "M_INVALID_PARAM", f"private_key: {error}") from None

    def _signed_with_only_key(self, invite: Invite, private_key: str, content: dict[str, object]) -> dict[str, object]:
        """Whoever holds the private key was invited; but homeservers do not know it, and take our signature only."""
        if signing.public_key_of(private_key) != invite.ephemeral_public_key:
            raise ValueError("it is not the key of this invite")
        return self._signer.sign(content, invite.only_key)

    async def has_ephemeral_key(self, public_key: str) -> bool:
        """Whether a public key, in either base64 spelling, is of an invite of ours."""
        try:
            return await self._store.has_ephemeral_key(signing.normal_base64(public_key))
        except ValueError:
            return False
