"""
What an engine promises.

Every method is atomic, and durable when it returns.  ``now`` and other times are epoch milliseconds.  Nothing here
reads a clock or draws randomness: both are arguments, so that a script in Redis and a transaction in SQLite
decide alike.  The tests in ``tests/storage/contract.py`` are this contract, run against every engine.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias

from ..matrix.threepid import ThreePid
from .archive import Archive
from .records import Account, Binding, Claimed, Delivery, End, Failure, Invite, Kind, Pepper, Session, State

Portion: TypeAlias = Sequence[tuple[Sequence[str], str]]
"""Some thousand addresses at most: of each its digests, one for each pepper that was named, and the user ID."""


class StorageUnavailable(Exception):
    """The engine cannot be reached, or cannot write; nothing was acknowledged.  Try again later."""


class SessionStorage(Protocol):
    async def open(self, session: Session, *, alive_since: int, max_guesses: int) -> Session:
        """
        Keep a new session, unless one for its address and client secret is alive: then return that one.

        Alive is what was modified at or after ``alive_since`` and has fewer than ``max_guesses`` wrong tokens.
        """
        ...

    async def get(self, sid: str) -> Session | None: ...

    async def claim_attempt(self, sid: str, send_attempt: int, next_link: str | None) -> bool:
        """Whether this attempt is greater than all before; if so it is recorded, and ``next_link`` with it."""
        ...

    async def release_attempt(self, sid: str, send_attempt: int, previous: int) -> None:
        """Undo :meth:`claim_attempt` because sending failed; no effect once a later attempt was claimed."""
        ...

    async def take_guess(self, sid: str) -> int:
        """Count one submitted token as wrong, before it is compared, and return the count; 0 for no such session."""
        ...

    async def validate(self, sid: str, now: int) -> None:
        """The last guess was right: take it off the count; the first time, record ``now`` as validation and change."""
        ...

    async def purge(self, modified_before: int) -> int:
        """Forget sessions last modified before a time; return how many.  An engine may have done so by itself."""
        ...


class BindingStorage(Protocol):
    async def get(self, threepid: ThreePid) -> Binding | None: ...

    async def users_of(self, threepids: Sequence[ThreePid]) -> dict[ThreePid, str]:
        """The user IDs that addresses are bound to, for those that are."""
        ...

    async def bind(self, binding: Binding, destination: str) -> list[Invite]:
        """
        Publish a binding, replacing an earlier one of the address, and end the address's pending invites as bound.

        For each of them an ``onbind`` delivery is queued to ``destination``, or a single one without a token when
        there are none.  Returns the invites as ended.
        """
        ...

    async def unbind(self, threepid: ThreePid, user_id: str) -> bool:
        """Remove a binding if it is to this user; whether there was one."""
        ...


class HashStorage(Protocol):
    """
    The index of hashed addresses: those of all bindings, and those that identity stores list.

    What concerns the whole index takes many small steps, between which others can read and write.
    """

    async def peppers(self) -> list[Pepper]:
        """The peppers for which the index answers, the current one first."""
        ...

    async def prepare(self, pepper: Pepper, *, after: str | None) -> bool:
        """
        Index all bindings under a new pepper, and from now on those that are made.  It is not in use yet.

        ``False`` if the current one is not ``after``, or someone else is at it: of many processes whose time has come,
        one does the work.  A pepper that is prepared and never published is forgotten sooner or later.
        """
        ...

    async def publish(self, pepper: str, *, keep: int) -> bool:
        """
        Make a prepared pepper the current one, and forget all but the ``keep`` newest.

        ``False`` if it is not prepared, or was forgotten.
        """
        ...

    async def find(self, pepper: str, digests: Sequence[str]) -> dict[str, str] | None:
        """
        User IDs by digest, as :func:`mxisd.matrix.hashing.digest` makes it; ``None`` if the pepper is not in use.

        Where several know one, bindings count most, then the sources in their order.
        """
        ...

    async def arrange(self, sources: Sequence[str]) -> None:
        """Let there be these sources, in this order, and forget what others have listed."""
        ...

    async def replace(self, source: str, peppers: Sequence[str], portions: AsyncIterable[Portion]) -> None:
        """
        Let what is in ``portions`` be all that a source lists.

        Nothing changes before the last portion is there.  After that one digest after the other comes to lead where it
        is to lead; whoever is interrupted does it again.  No effect for peppers that are neither in use nor prepared,
        nor for a source that is not among those arranged.
        """
        ...


class InviteStorage(Protocol):
    async def add(self, invite: Invite, *, resend_before: int, reminder_due: int | None = None) -> Invite:
        """
        Keep an invite and queue its message, and a reminder for later if it is to have one.

        If one is pending for the same address, room and sender, that one is returned instead, and a message is
        queued only if the last one was queued before ``resend_before`` and has left.
        """
        ...

    async def get(self, token: str) -> Invite | None: ...

    async def pending(self, threepid: ThreePid) -> list[Invite]:
        """The pending invites of an address, the oldest first."""
        ...

    async def has_ephemeral_key(self, public_key: str) -> bool:
        """Whether a key (standard unpadded base64) was made for an invite."""
        ...

    async def claim_due(self, now: int, next_due: int, limit: int) -> list[Invite]:
        """
        Take up to ``limit`` pending invites that are due to be looked up, the longest due first.

        Of those due since the same time, the ones of an address come together, so that it is looked up once.
        They become due again at ``next_due``, whatever comes of it: a process that dies in between loses nothing.
        """
        ...

    async def missed_remotely(self, invites: Mapping[str, int]) -> None:
        """Remote sources did not know these addresses: by token, when to ask them next; one miss more for each."""
        ...

    async def page(self, *, ended: bool, offset: int, limit: int) -> list[Invite]:
        """Pending invites, the oldest first, or ended ones, the newest first."""
        ...

    async def purge(self, ended_before: int) -> int:
        """Forget invites that ended before a time and have nothing queued, with their deliveries; return how many."""
        ...

    async def end(self, token: str, end: End, user_id: str | None, destination: str | None, now: int) -> Invite | None:
        """
        End a pending invite; queue an ``onbind`` to ``destination`` if one is given.

        Returns the invite as ended, or ``None`` when it was not pending any more.  A message about it that is
        still queued is abandoned.
        """
        ...


class OutboxStorage(Protocol):
    async def claim(
        self, kind: Kind, now: int, lease: int, limit: int, busy: Mapping[str, int], per_destination: int
    ) -> Claimed:
        """
        Take up to ``limit`` deliveries that are due, the longest due first, for ``lease`` ms.

        Each comes back with ``attempts`` one higher; where a claim before had run out, ``lost`` is one higher too.
        ``busy`` tells how many the caller has under way to a destination: with those, at most ``per_destination``.
        """
        ...

    async def renew(self, deliveries: Sequence[Delivery], until: int) -> None:
        """Keep claims that have not passed to someone else until a later time: the attempts are still under way."""
        ...

    async def retry(self, delivery: Delivery, due: int, answer: str, count: Failure | None = None) -> bool:
        """
        The attempt failed: try again at ``due``.  ``False`` if the claim had passed to someone else.

        ``count`` names the counter of the delivery, if any, that goes one higher.
        """
        ...

    async def close(self, delivery: Delivery, state: State, answer: str, now: int) -> bool:
        """
        The delivery is over.  ``False`` if the claim had passed to someone else.

        One that is about no invite is forgotten: nobody can ask for it any more.
        """
        ...

    async def of_invite(self, token: str) -> list[Delivery]:
        """All deliveries about an invite, the oldest first."""
        ...


class AccountStorage(Protocol):
    """v2 accounts.  Access tokens are known by their SHA-256 digests only."""

    async def register(self, token_hash: str, user_id: str, now: int) -> None: ...

    async def account_of(self, token_hash: str) -> Account | None:
        """Whose token it is, and what that user has accepted."""
        ...

    async def logout(self, token_hash: str) -> bool:
        """Forget one token; whether it was known."""
        ...

    async def accept_terms(self, user_id: str, urls: Iterable[str], now: int) -> None:
        """Add to the URLs of terms that a user has accepted, with whichever token."""
        ...


class TransactionStorage(Protocol):
    """Transactions of the homeserver to our application service, so that none is acted on twice."""

    async def is_done(self, txn_id: str) -> bool: ...

    async def done(self, txn_id: str, now: int) -> None: ...

    async def purge(self, done_before: int) -> int: ...


class CooldownStorage(Protocol):
    """What is to happen at most once in a while."""

    async def take(self, name: str, now: int, period: int) -> bool:
        """Whether it may happen now; if so, it may not for ``period`` ms."""
        ...

    async def purge(self, now: int) -> int:
        """Forget what may happen again anyway; return how many."""
        ...


class KeyStorage(Protocol):
    """The keys to sign with, where they are shared by processes that share no file."""

    async def signing_keys(self, make: Callable[[], bytes]) -> bytes:
        """What has been kept, or else what ``make`` returns, which is kept from then on: all get the same."""
        ...


class Storage(Protocol):
    """An engine, by concern."""

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
    def keys(self) -> KeyStorage: ...

    @property
    def archive(self) -> Archive: ...
