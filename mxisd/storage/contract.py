"""
The interface of a storage engine, and what each method guarantees.

Every method is atomic, and durable when it returns.  ``now`` and other times are epoch milliseconds.  No method reads a
clock or makes random values: the caller passes them, so that a script in Redis and a transaction in SQLite give the
same result.  The tests in ``tests/storage/contract.py`` check this contract on every engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from ..errors import Away
from ..matrix.threepid import ThreePid
from .archive import Archive
from .buckets import BucketStorage
from .hashed import HashStorage
from .once import CooldownStorage, TransactionStorage
from .records import (
    Account,
    Binding,
    Claimed,
    Delivery,
    End,
    Failure,
    Invite,
    InviteCounts,
    Kind,
    Session,
    State,
    Taker,
    Waiting,
)


class StorageUnavailable(Away):
    """The engine cannot be reached, or cannot write now.  Try again later."""


class SessionStorage(Protocol):
    async def open(self, session: Session, *, alive_since: int, max_guesses: int, most: int) -> Session:
        """
        Store a new session and return it, unless one of the same ``secret_digest`` is alive: then return that.

        Alive means modified at or after ``alive_since``, and fewer than ``max_guesses`` wrong tokens.  Of the
        sessions of the address, the oldest beyond ``most`` are deleted.
        """
        ...

    async def get(self, sid: str) -> Session | None: ...

    async def alive(self, secret_digest: str, *, alive_since: int, max_guesses: int) -> Session | None:
        """The session that :meth:`open` would return instead of a new one."""
        ...

    async def add_token(self, sid: str, next_link: str | None, token_digest: str) -> None:
        """A token is about to be sent: keep it beside the last ones (see ``token_digests``), and its ``next_link``."""
        ...

    async def sent(self, sid: str, send_attempt: int) -> None:
        """The message of an attempt was sent: set ``send_attempt``, unless it is a higher one already."""
        ...

    async def take_guess(self, sid: str) -> int:
        """Count a submitted token as wrong, before it is compared; return the count, 0 if there is no such session."""
        ...

    async def validate(self, sid: str, now: int) -> None:
        """The last token was right: uncount it.  The first time, set ``validated_at`` and ``modified`` to ``now``."""
        ...

    async def purge(self, modified_before: int) -> int:
        """Delete sessions last modified before a time; return how many.  An engine may do this by itself."""
        ...


class BindingStorage(Protocol):
    async def get(self, threepid: ThreePid) -> Binding | None: ...

    async def users_of(self, threepids: Sequence[ThreePid]) -> dict[ThreePid, str]:
        """The user IDs that addresses are bound to; addresses without a binding are left out."""
        ...

    async def bind(self, binding: Binding, destination: str) -> list[Invite]:
        """
        Store a binding, in place of an earlier one of the address, and end the address's pending invites as bound.

        An ``onbind`` delivery to ``destination`` is queued for each of these invites, unless it ends as accepted (see
        :meth:`InviteStorage.end`); if none is queued so, a single one without a token.  Returns the ended invites.
        """
        ...

    async def unbind(self, threepid: ThreePid, user_id: str) -> bool:
        """Delete the binding of an address to this user; return whether there was one."""
        ...


class InviteStorage(Protocol):
    async def add(
        self, invite: Invite, *, resend_before: int, reminder_due: int | None = None, taker: Taker | None = None
    ) -> Invite:
        """
        Store an invite and queue its message, and a reminder for ``reminder_due`` if that is given.

        If there is a ``taker``, the invite ends as resolved in the same step, whether it is a new one or pending
        already; its ``onbind`` is due at ``taker.due``, and no message is queued.  One that has ended as resolved, to
        the taker if there is one, at or after ``resend_before`` is returned as it is: the homeserver asks again.

        If an invite is pending for the same address, room and sender, that one is returned instead.  Its message is
        queued again only if the last one was queued before ``resend_before`` and is no longer queued.

        If only the new one is proven, the pending one becomes so, with the new ``fields``, since the old ones were
        anybody's; then the last message does not count.
        """
        ...

    async def get(self, token: str) -> Invite | None: ...

    async def pending(self, threepid: ThreePid) -> list[Invite]:
        """The pending invites of an address, the oldest first."""
        ...

    async def has_ephemeral_key(self, public_key: str) -> bool:
        """Whether this public key (standard unpadded base64) was made for an invite."""
        ...

    async def claim_due(self, now: int, next_due: int, limit: int) -> list[Invite]:
        """
        Claim up to ``limit`` pending invites whose address is due to be looked up, the longest due first.

        Invites of one address that are due since the same time come together, so that it is looked up once.
        They are due again at ``next_due`` in any case: if the process dies meanwhile, nothing is lost.
        """
        ...

    async def missed_remotely(self, invites: Mapping[str, int]) -> None:
        """Remote sources did not know these addresses: count a miss, and set when to ask next, by token."""
        ...

    async def page(self, *, ended: bool, offset: int, limit: int) -> list[Invite]:
        """A page of the pending invites, the oldest first, or of the ended ones, the newest first."""
        ...

    async def count(self) -> InviteCounts:
        """How many there are."""
        ...

    async def purge(self, ended_before: int) -> int:
        """Delete invites that ended before a time and have nothing queued, with their deliveries; return how many."""
        ...

    async def end(self, token: str, end: End, user_id: str | None, destination: str | None, now: int) -> Invite | None:
        """
        End a pending invite; queue an ``onbind`` to ``destination`` if one is given.

        Returns the ended invite, or ``None`` if it was not pending.  Its queued messages are abandoned.

        If it was signed for this very user (see :meth:`sign`), or sent by this user, it ends as accepted instead, and
        no ``onbind`` is queued: the user is in the room, and would be an invitee again.
        """
        ...

    async def resolve(self, users: Sequence[tuple[ThreePid, str, str]], now: int) -> list[Invite]:
        """
        End all pending invites of some hundred addresses as resolved, each by a user ID and the homeserver to be told.

        What :meth:`end` does, for all of them in one step.  Returns the ended invites.
        """
        ...

    async def sign(self, token: str, user_id: str, now: int, limit: int) -> Invite | None:
        """
        Note in an invite, pending or ended, that it is signed for a user, and abandon its queued messages.

        Returns it as it is then.  ``None``, and nothing is changed, if there is no such invite, or if it is signed
        for ``limit`` others already.
        """
        ...


class OutboxStorage(Protocol):
    async def claim(
        self, kind: Kind, now: int, lease: int, limit: int, busy: Mapping[str, int], per_destination: int
    ) -> Claimed:
        """
        Claim up to ``limit`` deliveries that are due, the longest due first, with a lease of ``lease`` ms.

        They come in turns: what somebody has queued to a destination while there was much of theirs comes after what
        others have queued, and so does what users of one homeserver have queued while many of them did so.

        ``attempts`` of each goes up by one; if the lease of an earlier claim had expired, so does ``lost``.
        ``busy`` is how many attempts the caller has under way by destination; they count towards ``per_destination``.
        """
        ...

    async def renew(self, deliveries: Sequence[Delivery], until: int) -> None:
        """
        The attempts are still under way: extend their leases, unless another process has claimed them since.

        A lease that lasts longer already stays as it is.
        """
        ...

    async def retry(self, delivery: Delivery, due: int, answer: str, count: Failure | None = None) -> bool:
        """
        The attempt failed: try again at ``due``.  ``False`` if another process has claimed the delivery since.

        ``count`` names the counter of the delivery that goes up by one, if any.
        """
        ...

    async def close(self, delivery: Delivery, state: State, answer: str, now: int) -> bool:
        """
        The delivery is finished.  ``False`` if another process has claimed it since.

        A delivery without an invite is deleted, since no history shows it.
        """
        ...

    async def of_invite(self, token: str) -> list[Delivery]:
        """All deliveries about an invite, the oldest first."""
        ...

    async def waiting(self) -> list[Waiting]:
        """What is queued, those that are claimed included, by kind; nothing of kinds of which nothing is."""
        ...


class AccountStorage(Protocol):
    """v2 accounts.  Access tokens are known by their SHA-256 digests only."""

    async def register(self, token_hash: str, user_id: str, now: int, most: int) -> None:
        """Keep a new token; of the user's tokens, the oldest beyond ``most`` are deleted."""
        ...

    async def renew(self, token_hash: str, now: int, if_before: int) -> None:
        """The token is used: if it is from before a time, it is as good as new."""
        ...

    async def purge(self, before: int) -> int:
        """Delete tokens from before a time, by when they were given out or renewed; return how many."""
        ...

    async def account_of(self, token_hash: str) -> Account | None:
        """Whose token it is, and what that user has accepted."""
        ...

    async def logout(self, token_hash: str) -> bool:
        """Delete one token; return whether it was known."""
        ...

    async def accept_terms(self, user_id: str, urls: Iterable[str], now: int) -> None:
        """Add URLs to the terms that a user has accepted, with whichever token."""
        ...


class KeyStorage(Protocol):
    """The signing keys, for processes on several machines, which have no file in common."""

    async def signing_keys(self, make: Callable[[], bytes]) -> bytes:
        """Return the stored keys.  If there are none, store what ``make`` returns: all processes get the same."""
        ...


class Storage(Protocol):
    """All parts of an engine."""

    @property
    def sessions(self) -> SessionStorage: ...

    @property
    def bindings(self) -> BindingStorage: ...

    @property
    def hashes(self) -> HashStorage: ...

    @property
    def invites(self) -> InviteStorage: ...

    @property
    def outbox(self) -> OutboxStorage: ...

    @property
    def accounts(self) -> AccountStorage: ...

    @property
    def transactions(self) -> TransactionStorage: ...

    @property
    def cooldowns(self) -> CooldownStorage: ...

    @property
    def buckets(self) -> BucketStorage: ...

    @property
    def keys(self) -> KeyStorage: ...

    @property
    def archive(self) -> Archive: ...
