"""The records that are stored.  All times are epoch milliseconds; addresses are in canonical form."""

from __future__ import annotations

from hashlib import sha256
from typing import Literal, NamedTuple

from msgspec import Struct, field

from ..clock import DAY
from ..matrix.threepid import ThreePid

# Milliseconds until an expired session is deleted; until then, "expired" and "unknown" get different errors.
SESSIONS_REMEMBERED = 7 * DAY


# How many of the tokens that were sent in a session are valid, so that an older message goes on working.
VALID_TOKENS = 3


def sha256_of(text: str) -> str:
    """In hexadecimal digits."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def secret_digest(medium: str, address: str, client_secret: str) -> str:
    """What is kept of the client secret of a session: enough to find the session by, and to compare."""
    return sha256_of(f"{medium} {address} {client_secret}")


def token_digest(sid: str, client_secret: str, token: str) -> str:
    """
    What is kept of a token.

    The client secret is in it, which is not kept: without it, six digits would be found by trying them all.
    """
    return sha256_of(f"{sid} {client_secret} {token}")


class Session(Struct, frozen=True, kw_only=True):
    """
    A validation session: someone proves that they can read what is sent to an address.

    Neither the client secret nor a token is kept, only digests.
    """

    sid: str
    secret_digest: str
    """See :func:`secret_digest`."""
    threepid: ThreePid
    modified: int
    """When it was created or, later, validated.  It expires some time after this."""
    send_attempt: int = -1
    """The highest attempt for which a message was sent; -1 before the first, since clients may count from 0."""
    next_link: str | None = None
    validated_at: int | None = None
    guesses: int = 0
    """How many wrong tokens were submitted."""
    token_digests: str = ""
    """See :func:`token_digest`: those that are valid, the newest first, with spaces in between."""


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
    """The pepper that the addresses of hashed lookups are hashed with; it is replaced regularly."""

    pepper: str
    made_at: int


End = Literal["bound", "resolved", "accepted", "expired", "cancelled"]


class Invite(Struct, frozen=True, kw_only=True):
    """An invitation of an address into a room; pending until ``ended`` says how it ended."""

    token: str
    threepid: ThreePid
    room_id: str
    sender: str
    created: int
    ephemeral_public_key: str
    ephemeral_private_key: str
    """Unpadded base64.  It is sent in the mail to the invitee, and deleted (empty) when the invite has ended."""
    fields: dict[str, object] = field(default_factory=dict)
    """Everything that the homeserver sent with the invite; the templates of messages use it."""
    due: int = 0
    """When the address is looked up next."""
    remote_due: int = 0
    """When remote sources are asked for the address next."""
    remote_misses: int = 0
    """How many times in a row the remote sources did not know the address."""
    notified_at: int | None = None
    """When the last message about it was queued."""
    ended: End | None = None
    ended_at: int | None = None
    user_id: str | None = None
    """The user that it went to."""
    proven: bool = False
    """Whether it is known that the sender sent it; otherwise anybody may have, with any ``fields``."""
    only_key: str | None = None
    """The ID of our long-term key, if that was the only one published with it: an older server took the invite."""
    key_id: str | None = None
    """The ID of our long-term key that was published with it; of older invites it is not known."""
    signed_by: dict[str, int] = field(default_factory=dict)
    """The users for whom its acceptance was signed, by whoever has its key, and when last: they can join by it."""

    @property
    def published_key(self) -> str | None:
        """The ID of the long-term key by which signatures about it have to be made."""
        return self.only_key or self.key_id


class Taker(Struct, frozen=True, kw_only=True):
    """Whom a new invite is given to at once, since the address is known to be this user's."""

    user_id: str
    destination: str
    """The homeserver to be told."""
    due: int
    """When it is told."""


Kind = Literal["onbind", "message", "reminder"]
State = Literal["queued", "done", "refused", "abandoned", "unknown"]
Failure = Literal["lost", "errors"]


class Delivery(Struct, frozen=True, kw_only=True):
    """
    Something to send: an ``onbind`` to a homeserver, or a message about an invite.

    An attempt is counted before it is made.  ``attempts`` is also the fencing token of a claim: a worker whose claim
    has expired, and was taken by another one, can no longer change the delivery.
    """

    id: str
    kind: Kind
    destination: str
    """A server name, or a medium.  The number of simultaneous attempts is limited for each destination."""
    threepid: ThreePid
    token: str | None
    """The token of the invite; ``None`` for an ``onbind`` about a binding that no invite was waiting for."""
    user_id: str | None
    created: int
    due: int
    state: State = "queued"
    attempts: int = 0
    lost: int = 0
    """How many attempts have no known outcome: the process died, or no answer came."""
    errors: int = 0
    """How many attempts were answered with HTTP 500, an error that may be permanent."""
    answer: str | None = None
    """The last answer or error, for the administrator."""


class InviteCounts(NamedTuple):
    """How many invites there are."""

    pending: int
    ended: int


class Waiting(NamedTuple):
    """How many deliveries of a kind are queued, and when the first of them is due."""

    kind: str
    number: int
    due: int


class Claimed(Struct, frozen=True, kw_only=True):
    """What was taken from the outbox at a time."""

    deliveries: list[Delivery]
    """The longest due first."""
    invites: dict[str, Invite]
    """Those that the deliveries are about, by token, as they are now."""
    next_due: int | None
    """When another one is due, or the claim of one ends; ``None`` if none is queued."""
