"""
What mxisd 1.x and ma1sd kept: tables of their ORM, and ephemeral keys in the folder of keys.

``invite_3pid`` has one row for an address and a homeserver: an invite into a second room got the same token, and left
no row.  ``invite_3pid_history`` has those that were resolved.  Times are milliseconds, but for ``account.createdAt``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from msgspec import MsgspecError, json
from signedjson.types import SigningKey

from ..matrix.ids import InvalidIdentifier, check_room_id, server_of
from ..matrix.signing import ephemeral_key, id_of, normal_base64
from ..storage.archive import AcceptedTerms, AccessToken, Kept, Transaction
from ..storage.records import Delivery, Invite, Session, sha256_of
from .old import UNDELIVERED, Conditions, Found, Left, Unmovable, address, each, in_term, session, still_going, user
from .tables import Row, Tables

INVITES = "invite_3pid"
ENDED = "invite_3pid_history"

# What is in the properties of an invite besides the fields that the homeserver sent.
_NO_FIELDS = ("medium", "address", "room_id", "sender", "created_at")
_KEY_PREFIXES = ("p_key_", "e_key_")
# Later than this, a number of seconds would be in the year 5138: these are milliseconds.
_MOST_SECONDS = 100_000_000_000


class MxisdServer:
    """See :class:`mxisd.migrate.old.OldServer`."""

    name = "mxisd 1.x or ma1sd"

    def __init__(self, tables: Tables, keys: Sequence[SigningKey], ephemeral_keys: Mapping[str, str]) -> None:
        """``ephemeral_keys`` are private keys by their public ones."""
        self.keys = keys
        self._tables = tables
        self._ephemeral_keys = ephemeral_keys

    def records(self, kind: type[Kept], conditions: Conditions) -> Iterator[Found]:
        for table, read in self._readers().get(kind, ()):
            yield from each(self._tables.rows(table), partial(read, conditions))

    def pepper(self) -> str | None:
        # Every lookup got a new one sooner or later, and only hashes of identity stores were made with it.
        return None

    def close(self) -> None:
        self._tables.close()

    def _readers(self) -> dict[type[Kept], Sequence[tuple[str, Callable[[Conditions, Row], Found | None]]]]:
        return {
            Invite: ((INVITES, self._pending), (ENDED, self._ended)),
            Delivery: ((ENDED, _undelivered),),
            Session: (("session_3pid", _session),),
            AccessToken: (("account", _access_token),),
            AcceptedTerms: (("accepted", _accepted),),
            Transaction: (("as_txn", _transaction),),
        }

    def _pending(self, conditions: Conditions, row: Row) -> Invite:
        return self._invite(conditions, row)

    def _ended(self, conditions: Conditions, row: Row) -> Invite:
        user_id = user(row["resolvedTo"])
        return self._invite(
            conditions,
            row,
            ended="expired" if user_id == conditions.expiry_user else "resolved",
            ended_at=row["resolvedAt"],
            user_id=user_id,
        )

    def _invite(self, conditions: Conditions, row: Row, **end: Any) -> Invite:
        try:
            check_room_id(row["roomId"])
        except InvalidIdentifier:
            raise Unmovable("the room ID is none") from None
        properties = _properties(row)
        private, public = self._key_pair(properties, conditions)
        created = _number(properties.get("created_at"), conditions.now)
        serial = properties.get("p_key_serial")
        return Invite(
            token=row["token"],
            threepid=address(row["medium"], row["address"]),
            room_id=row["roomId"],
            sender=user(row["sender"]),
            created=created if end else in_term(created, conditions),
            ephemeral_public_key=public,
            ephemeral_private_key="" if end else private,
            fields={name: value for name, value in properties.items() if _is_field(name)},
            due=conditions.now,
            # Nobody is mailed again.
            notified_at=created,
            only_key=f"ed25519:{serial}" if serial else id_of(self.keys[0]) if self.keys else None,
            **end,
        )

    def _key_pair(self, properties: Mapping[str, Any], conditions: Conditions) -> tuple[str, str]:
        with suppress(ValueError, TypeError, AttributeError):
            public = normal_base64(properties["e_key_public"]) if "e_key_public" in properties else ""
            if public:
                return self._ephemeral_keys.get(public, ""), public
        # mxisd before 1.3 had none, and nobody could accept by it.
        return ephemeral_key(conditions.random)


def _properties(row: Row) -> dict[str, Any]:
    try:
        return json.decode(row["properties"] or "{}", type=dict[str, Any])
    except MsgspecError:
        return {}


def _is_field(name: str) -> bool:
    return name not in _NO_FIELDS and not name.startswith(_KEY_PREFIXES)


def _number(text: object, default: int) -> int:
    try:
        return int(str(text))
    except ValueError:
        return default


def _undelivered(conditions: Conditions, row: Row) -> Found | None:
    if row["couldPublish"]:
        return None
    user_id = user(row["resolvedTo"])
    return Delivery(
        id="0",
        kind="onbind",
        destination=server_of(user_id),
        threepid=address(row["medium"], row["address"]),
        token=row["token"],
        user_id=user_id,
        # From then on it is tried, for as long as any other.
        created=conditions.now if conditions.retry_failed else row["resolvedAt"],
        due=conditions.now,
        state="queued" if conditions.retry_failed else "abandoned",
        answer=UNDELIVERED,
    )


def _session(conditions: Conditions, row: Row) -> Found:
    modified = still_going(row["validationTime"] if row["validated"] else row["creationTime"], conditions)
    if row["isRemote"]:
        return Left("another identity server was asked to validate the address")
    return session(
        row["id"],
        address(row["medium"], row["address"]),
        row["secret"],
        row["token"],
        modified=modified,
        validated=bool(row["validated"]),
        send_attempt=row["attempt"],
        next_link=row["nextLink"],
    )


def _access_token(conditions: Conditions, row: Row) -> Found:
    created = row["createdAt"]
    return AccessToken(
        digest=sha256_of(row["token"]),
        user_id=user(row["userId"]),
        created=created * 1000 if created < _MOST_SECONDS else created,
    )


def _accepted(conditions: Conditions, row: Row) -> Found:
    return AcceptedTerms(user_id=user(row["userId"]), url=row["url"], accepted_at=row["acceptedAt"])


def _transaction(conditions: Conditions, row: Row) -> Found:
    return Left("what was in it was not written down, and its ID alone may come again")
