"""What is read of an older server: records as ours are, and what cannot come along."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeAlias, TypeVar

from msgspec import Struct, ValidationError, convert, structs
from signedjson.types import SigningKey

from ..clock import DAY, Random
from ..matrix.error import MatrixError
from ..matrix.ids import InvalidIdentifier, server_of
from ..matrix.signing import Signer
from ..matrix.threepid import InvalidAddress, ThreePid, canonical
from ..storage.archive import Kept
from ..storage.records import Session, secret_digest, token_digest
from ..threepids.validation import check_opaque, kept_link

T = TypeVar("T")

UNDELIVERED = "the homeserver did not take it from the server before this one"
"""What is kept as the answer to a delivery that failed there."""

# The end of the year 9999, in milliseconds: nothing that is counted is more.
_LATEST = 253_402_300_799_999


class Left(Struct, frozen=True):
    """Something that stays behind, and why."""

    why: str


class Unmovable(ValueError):
    """A row that cannot come along; the message says why, and names nobody."""


# In which form something came, or why it did not.
Found: TypeAlias = Kept | Left


class Conditions(Struct, frozen=True, kw_only=True):
    """How the records are to be made; all durations are milliseconds."""

    now: int
    random: Random
    signer: Signer
    """Signs with the keys of the old server, under the name of the new one."""
    expiry_user: str
    """Whom invites are given to that expire."""
    expire_after: int | None
    keep_for: int | None
    """A new term for those that would expire at once."""
    retry_failed: bool
    """Whether to deliver what never reached its homeserver."""


class OldServer(Protocol):
    """The data of one."""

    name: str
    """Which server it was."""

    keys: Sequence[SigningKey]
    """Its long-term keys, that which signed first."""

    def records(self, kind: type[Kept], conditions: Conditions) -> Iterator[Found]:
        """All records of a kind.  Raises :class:`~mxisd.migrate.tables.NotReadable`."""
        ...

    def pepper(self) -> str | None:
        """The pepper of hashed lookups that clients may know."""
        ...

    def close(self) -> None: ...


def each(rows: Iterable[T], read: Callable[[T], Found | None]) -> Iterator[Found]:
    """What becomes of rows; nothing of those that are read as ``None``."""
    for row in rows:
        try:
            found = _fitting(read(row))
        except Unmovable as error:
            found = Left(str(error))
        except (AttributeError, KeyError, TypeError, ValueError, ValidationError):
            # One row that somebody has written by hand must not hold up all others.
            found = Left("it is not as that server writes it")
        if found is not None:
            yield found


def _fitting(found: Found | None) -> Found | None:
    """What every storage takes: SQLite had anything in any column.  Raises :class:`ValueError`, ``ValidationError``."""
    if found is None or isinstance(found, Left):
        return found
    for value in structs.astuple(found):
        if (isinstance(value, int) and abs(value) > _LATEST) or (isinstance(value, str) and "\0" in value):
            raise ValueError
    return convert(structs.asdict(found), type(found))


def address(medium: str, text: str) -> ThreePid:
    """An address in our form.  Raises :class:`Unmovable`."""
    try:
        return canonical(medium, text)
    except InvalidAddress:
        raise Unmovable("the address is none by the rules of today") from None


def user(user_id: str | None) -> str:
    """A user ID that is one.  Raises :class:`Unmovable`."""
    try:
        server_of(user_id or "")
    except InvalidIdentifier:
        raise Unmovable("the user ID is none") from None
    return user_id or ""


def still_going(modified: int, conditions: Conditions) -> int:
    """When a session that is not over was changed last.  Raises :class:`Unmovable`."""
    if modified + DAY <= conditions.now:
        raise Unmovable("it is over: more than a day old")
    return modified


def session(
    sid: str,
    threepid: ThreePid,
    secret: str,
    token: str | None,
    *,
    modified: int,
    validated: bool,
    send_attempt: int,
    next_link: str | None = None,
) -> Session:
    """A session as we keep it, by digests of its secrets.  Raises :class:`Unmovable`."""
    try:
        check_opaque("sid", sid)
        check_opaque("client_secret", secret)
    except MatrixError:
        raise Unmovable("its client secret is none by the rules of today") from None
    return Session(
        sid=sid,
        secret_digest=secret_digest(*threepid, secret),
        threepid=threepid,
        modified=modified,
        send_attempt=send_attempt,
        next_link=kept_link(next_link, secret),
        validated_at=modified if validated else None,
        token_digests="" if token is None else token_digest(sid, secret, token),
    )


def would_expire(created: int, conditions: Conditions) -> bool:
    """Whether a pending invite would expire at the first look at it."""
    return conditions.expire_after is not None and created + conditions.expire_after <= conditions.now


def in_term(created: int, conditions: Conditions) -> int:
    """When an invite is to count as made: if it would expire at once, such that it has the new term."""
    if conditions.keep_for is None or conditions.expire_after is None or not would_expire(created, conditions):
        return created
    return conditions.now + conditions.keep_for - conditions.expire_after
