"""Storing invites (specification: identity service API, "Invitation storage")."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime

from ..clock import MINUTE, Random, milliseconds, now, token
from ..limits.limits import Requester
from ..log import audit
from ..lookup.chain import Known
from ..lookup.hashed import HashedLookup
from ..lookup.recursion import Recursion
from ..matrix import signing
from ..matrix.error import MatrixError
from ..matrix.ids import InvalidIdentifier, check_room_id, server_of
from ..matrix.signing import Signer
from ..matrix.threepid import ThreePid, redacted
from ..outbox.build import Outboxes
from ..policies.invite import Attempt, InvitePolicy
from ..policies.proofs import Proofs
from ..storage.contract import InviteStorage as Store
from ..storage.records import Invite, Taker

# The same invite again is a retry of the homeserver's, unless that long has passed.
QUIET = MINUTE
# The homeserver makes the event that an invite is about when it has our answer: tell it of the invitee so much later.
FIRST_TELLING = 2000
# For so many users an invite is signed at most.
SIGNERS = 100


class Invites:
    """Takes invites in, and signs for those who accept them."""

    def __init__(
        self,
        store: Store,
        policy: InvitePolicy,
        proofs: Proofs,
        recursion: Recursion,
        hashed: HashedLookup,
        outboxes: Outboxes,
        signer: Signer,
        clock: IReactorTime,
        random: Random,
        domain: str,
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
        self._hashed = hashed
        self._outboxes = outboxes
        self._signer = signer
        self._clock = clock
        self._random = random
        self._domain = domain
        self._remind_after = None if remind_after is None else milliseconds(remind_after)

    async def store(
        self,
        threepid: ThreePid,
        room_id: str,
        sender: str,
        fields: dict[str, object],
        *,
        written: str,
        by: Requester,
    ) -> Invite:
        """
        Keep an invite, or return the one that is there, if it was sent before.

        If the address is known, the invite is given to its user; otherwise a message to the address is queued.

        ``written`` is the address as the homeserver has it.

        Raises :class:`MatrixError`: ``M_INVALID_PARAM``, ``M_FORBIDDEN``, ``M_LIMIT_EXCEEDED``; ``M_THREEPID_IN_USE``
        with the ``mxid`` of whom the homeserver would have found, had it looked the address up.
        """
        self._check(room_id, sender, by.account)
        # Once more: not every homeserver has us in front of it.
        attempt = Attempt(sender, room_id, threepid)
        await self._policy.require(attempt)
        await self._proofs.count_invite(attempt, by)
        plain = self._recursion.of(by.address)
        # For homeservers, which have asked before, this is an error that they show to nobody in these words.
        user_id = await self._hashed.would_find(ThreePid(threepid.medium, written), plain)
        if user_id is not None:
            raise MatrixError(400, "M_THREEPID_IN_USE", "The address belongs to a user already", mxid=user_id)
        known = await plain.trace(threepid)
        proven = by.account is not None or await self._proofs.take_invite(attempt)
        await self._outboxes.members.watch(room_id)
        invite = self._new(threepid, room_id, sender, fields, proven)
        kept = await self._keep(invite, known)
        if known is not None and known.by == "store":
            await self._hashed.learn(threepid, known.user_id)
        return kept

    def _check(self, room_id: str, sender: str, account: str | None) -> None:
        try:
            check_room_id(room_id)
            server = server_of(sender)
        except InvalidIdentifier as error:
            raise MatrixError(400, "M_INVALID_PARAM", str(error)) from None
        if account not in (None, sender):
            raise MatrixError(403, "M_FORBIDDEN", f"The access token is not of {sender}")
        if account is None and server != self._domain:
            raise MatrixError(403, "M_FORBIDDEN", f"Users of {server} need an access token to invite")

    def _new(self, threepid: ThreePid, room_id: str, sender: str, fields: dict[str, object], proven: bool) -> Invite:
        private_key, public_key = signing.ephemeral_key(self._random)
        current = now(self._clock)
        return Invite(
            token=token(self._random),
            threepid=threepid,
            room_id=room_id,
            sender=sender,
            created=current,
            ephemeral_public_key=public_key,
            ephemeral_private_key=private_key,
            fields=fields,
            due=current,
            proven=proven,
            key_id=self._signer.key_id,
        )

    async def _keep(self, invite: Invite, known: Known | None) -> Invite:
        resend_before = invite.created - QUIET
        if known is None:
            reminder_due = None if self._remind_after is None else invite.created + self._remind_after
            notified = replace(invite, notified_at=invite.created)
            kept = await self._store.add(notified, resend_before=resend_before, reminder_due=reminder_due)
            if not kept.ephemeral_private_key and kept.ended is None:
                # It came from a server that kept no such keys: another mail about it could not be accepted with.
                await self._store.end(kept.token, "cancelled", None, None, invite.created)
                kept = await self._store.add(notified, resend_before=resend_before, reminder_due=reminder_due)
            self._outboxes.messages.wake()
        else:
            due = invite.created + FIRST_TELLING
            taker = Taker(user_id=known.user_id, destination=server_of(known.user_id), due=due)
            kept = await self._store.add(invite, resend_before=resend_before, taker=taker)
            self._outboxes.onbind.wake()
        audit.info(
            "an invite of {address} to {room_id} by {sender} is stored",
            address=redacted(kept.threepid),
            room_id=kept.room_id,
            sender=kept.sender,
        )
        return kept

    async def sign(self, token: str, private_key: str, user_id: str) -> dict[str, object]:
        """
        Sign the acceptance of an invite with a key that the invitee holds, and remember for whom.

        Raises :class:`MatrixError`: ``M_UNRECOGNIZED`` for an unknown token, ``M_INVALID_PARAM``, ``M_FORBIDDEN``.
        """
        invite = await self._store.get(token)
        if invite is None:
            raise MatrixError(404, "M_UNRECOGNIZED", "There is no invite with this token")
        content: dict[str, object] = {"mxid": user_id, "sender": invite.sender, "token": token}
        try:
            server_of(user_id)
            is_key = signing.public_key_of(private_key) == invite.ephemeral_public_key
            signed = self._signed(invite, private_key, is_key, content)
        except InvalidIdentifier as error:
            raise MatrixError(400, "M_INVALID_PARAM", f"mxid: {error}") from None
        except ValueError as error:
            raise MatrixError(400, "M_INVALID_PARAM", f"private_key: {error}") from None
        # What another key has signed lets nobody in, and anybody in the room knows the token.
        if is_key and await self._store.sign(token, user_id, now(self._clock), SIGNERS) is None:
            raise MatrixError(403, "M_FORBIDDEN", "Too many users have accepted this invite")
        return signed

    def _signed(self, invite: Invite, private_key: str, is_key: bool, content: dict[str, object]) -> dict[str, object]:
        if invite.only_key is None:
            return signing.sign_with_private(private_key, self._signer.server_name, content)
        # Whoever holds the private key was invited; but homeservers do not know it, and take our signature only.
        if not is_key:
            raise ValueError("it is not the key of this invite")
        return self._signer.sign(content, invite.only_key)

    async def has_ephemeral_key(self, public_key: str) -> bool:
        """Whether a public key, in either base64 spelling, is of an invite of ours."""
        try:
            return await self._store.has_ephemeral_key(signing.normal_base64(public_key))
        except ValueError:
            return False
