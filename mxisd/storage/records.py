"""The things that are kept.  All times are epoch milliseconds; addresses are in canonical form."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from ..clock import DAY
from ..matrix.threepid import ThreePid

# An expired session is kept this long, to be told from one that never was.  Milliseconds.
SESSIONS_REMEMBERED = 7 * DAY


class Session(Struct, frozen=True, kw_only=True):
    """A validation session: the attempt to prove that someone reads what is sent to an address."""

    sid: str
    client_secret: str
    threepid: ThreePid
    token: str
    modified: int
    """When it was created or, later, validated: its life is counted from here."""
    send_attempt: int = -1
    """The greatest attempt for which a message was sent; -1 before the first, since clients may count from 0."""
    next_link: str | None = None
    validated_at: int | None = None
    guesses: int = 0
    """How many wrong tokens were submitted."""


class Binding(Struct, frozen=True, kw_only=True):
    """The published association of an address with a user ID."""

    threepid: ThreePid
    user_id: str
    bound_at: int
    signed: bytes
    """The association as signed JSON, ready to be served."""


class Account(Struct, frozen=True, kw_only=True):
    """Whom an access token belongs to."""

    user_id: str
    accepted_terms: frozenset[str] = frozenset()
    """URLs of terms, in whatever language they were accepted."""


class Pepper(Struct, frozen=True, kw_only=True):
    """What is mixed into the hashes of addresses for a while."""

    pepper: str
    made_at: int


End = Literal["bound", "resolved", "expired", "cancelled"]


class Invite(Struct, frozen=True, kw_only=True):
    """An invitation of an address into a room; pending until ``ended`` says how it ended."""

    token: str
    threepid: ThreePid
    room_id: str
    sender: str
    created: int
    ephemeral_public_key: str
    ephemeral_private_key: str
    """Unpadded base64; it goes into the invitee's mail, and is blanked once the invite has ended."""
    fields: dict[str, object] = field(default_factory=dict)
    """All that the homeserver sent with the invite, for the message."""
    due: int = 0
    """When it is to be looked up next."""
    remote_due: int = 0
    """When remote sources are to be asked for it next."""
    remote_misses: int = 0
    """How many times in a row they did not know it."""
    notified_at: int | None = None
    """When the last message about it was queued."""
    ended: End | None = None
    ended_at: int | None = None
    user_id: str | None = None
    """The user ID it was resolved to."""


Kind = Literal["onbind", "message", "reminder"]
State = Literal["queued", "done", "refused", "abandoned", "unknown"]
Failure = Literal["lost", "errors"]


class Delivery(Struct, frozen=True, kw_only=True):
    """
    Something to be told to another server: an ``onbind`` to a homeserver, or a message about an invite.

    An attempt is recorded before it is made.  ``attempts`` is also the fencing token of a claim: whoever claimed
    an earlier attempt can no longer say how the delivery went.
    """

    id: str
    kind: Kind
    destination: str
    """Whom it goes to, for limits on what is under way at once: a server name, or a medium."""
    threepid: ThreePid
    token: str | None
    """The invite it is about; ``None`` for the notice of a binding that no invite waited for."""
    user_id: str | None
    created: int
    due: int
    state: State = "queued"
    attempts: int = 0
    lost: int = 0
    """How many attempts ended without an outcome: the process died, or the answer never came."""
    errors: int = 0
    """How many attempts were answered with an internal error (HTTP 500), which may never pass."""
    answer: str | None = None
    """The last answer or error, for the administrator."""


class Claimed(Struct, frozen=True, kw_only=True):
    """What was taken from the outbox at a time."""

    deliveries: list[Delivery]
    """The longest due first."""
    invites: dict[str, Invite]
    """Those that the deliveries are about, by token, as they are now."""
    next_due: int | None
    """When another one is due, or the claim of one ends; ``None`` if none is queued."""
