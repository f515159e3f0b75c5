"""
What Sydent 2.6 kept.

Times of invites and their keys are seconds, all others milliseconds.  Associations are in two tables: those made here
in ``local_…``, with a row without a user for each that was removed, and all that are served in ``global_…``, with the
signature of the server that made them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import NamedTuple

from msgspec import json
from signedjson.types import SigningKey

from ..matrix.ids import InvalidIdentifier, check_room_id, server_of
from ..matrix.signing import ephemeral_key, id_of, normal_base64
from ..matrix.threepid import ThreePid
from ..storage.archive import AcceptedTerms, AccessToken, Kept
from ..storage.records import Binding, Delivery, Invite, Session, sha256_of
from .old import UNDELIVERED, Conditions, Found, Left, Unmovable, address, each, in_term, session, still_going, user
from .tables import Row, Tables

LOCAL = "local_threepid_associations"
GLOBAL = "global_threepid_associations"


class SydentSettings(NamedTuple):
    """What of its INI file says how the data is meant."""

    keys: Sequence[SigningKey] = ()
    deletes_tokens: bool = False
    """Whether it deleted an invite once a homeserver had taken it; ``False`` as well if that is not known."""
    terms_version: str | None = None
    """The version of the terms that users had to have accepted."""


class _Newest(NamedTuple):
    """The newest row about an address."""

    ts: int
    table: str
    id: int
    user_id: str | None


class SydentServer:
    """See :class:`mxisd.migrate.old.OldServer`."""

    name = "Sydent"

    def __init__(self, tables: Tables, settings: SydentSettings) -> None:
        self.keys = settings.keys
        self._tables = tables
        self._settings = settings

    def records(self, kind: type[Kept], conditions: Conditions) -> Iterator[Found]:
        readers: dict[type[Kept], Callable[[Conditions], Iterator[Found]]] = {
            Binding: self._bindings,
            Session: self._sessions,
            Invite: self._invites,
            Delivery: self._deliveries,
            AccessToken: self._access_tokens,
            AcceptedTerms: self._accepted_terms,
        }
        return readers[kind](conditions) if kind in readers else iter(())

    def pepper(self) -> str | None:
        return next((row["lookup_pepper"] for row in self._tables.rows("hashing_metadata")), None)

    def close(self) -> None:
        self._tables.close()

    # Associations.

    def _bindings(self, conditions: Conditions) -> Iterator[Found]:
        for table in (GLOBAL, LOCAL):
            yield from each(self._tables.rows(table), partial(self._binding, conditions, table))

    def _binding(self, conditions: Conditions, table: str, row: Row) -> Found | None:
        if row["mxid"] is None:
            return None  # says that there is none
        threepid = address(row["medium"], row["address"])
        newest = self._newest[threepid]
        if (table, row["id"]) != (newest.table, newest.id):
            # That of the other table is the same one, with its signature.
            same = newest.user_id == row["mxid"] and newest.ts == row["ts"]
            return None if same else Left("a later one of the same address took its place")
        if not row["notBefore"] < conditions.now < row["notAfter"]:
            return Left("it is not valid any more")
        user_id = user(row["mxid"])
        signed = row["sgAssoc"].encode() if table == GLOBAL else _signed(row, threepid, conditions)
        return Binding(threepid=threepid, user_id=user_id, bound_at=row["ts"], signed=signed)

    @cached_property
    def _newest(self) -> Mapping[ThreePid, _Newest]:
        newest: dict[ThreePid, _Newest] = {}
        for table in (GLOBAL, LOCAL):
            for row in self._tables.rows(table):
                try:
                    threepid = address(row["medium"], row["address"])
                except Unmovable:
                    continue
                known = newest.get(threepid)
                if known is None or row["ts"] > known.ts:
                    newest[threepid] = _Newest(row["ts"], table, row["id"], row["mxid"])
        return newest

    # Invites.

    def _invites(self, conditions: Conditions) -> Iterator[Found]:
        # The newest first: of several of one sender into one room, one can be pending.
        return each(self._tokens_with_keys(), lambda pair: self._invite(conditions, *pair))

    def _tokens_with_keys(self) -> Iterator[tuple[Row, str | None]]:
        """
        Invites with their ephemeral public keys, the newest first.

        Nothing says which key is whose; but both were written together, the key first, and nearly in the same second.
        """
        keys = sorted(self._tables.rows("ephemeral_public_keys"), key=lambda row: int(row["id"]))
        for row in sorted(self._tables.rows("invite_tokens"), key=lambda row: -int(row["id"])):
            received = row["received_ts"]
            while keys and received is not None and keys[-1]["persistence_ts"] > received:
                keys.pop()
            fits = keys and received is not None and received - keys[-1]["persistence_ts"] <= 1
            yield row, keys.pop()["public_key"] if fits else None

    def _invite(self, conditions: Conditions, row: Row, key: str | None) -> Invite:
        try:
            check_room_id(row["room_id"])
        except InvalidIdentifier:
            raise Unmovable("the room ID is none") from None
        threepid = address(row["medium"], row["address"])
        created = row["received_ts"] * 1000 if row["received_ts"] is not None else conditions.now
        ended = row["sent_ts"] is not None
        bound = self._newest.get(threepid)
        return Invite(
            token=row["token"],
            threepid=threepid,
            room_id=row["room_id"],
            sender=user(row["sender"]),
            created=created if ended else in_term(created, conditions),
            ephemeral_public_key=ephemeral_key(conditions.random)[1] if key is None else normal_base64(key),
            # It was in the mail, and nowhere else.
            ephemeral_private_key="",
            due=conditions.now,
            notified_at=created,
            key_id=id_of(self.keys[0]) if self.keys else None,
            ended="bound" if ended else None,
            ended_at=row["sent_ts"] * 1000 if ended else None,
            user_id=bound.user_id if ended and bound else None,
        )

    def _deliveries(self, conditions: Conditions) -> Iterator[Found]:
        """Those that were under way: a homeserver that takes an invite has it deleted, unless that was switched off."""
        return each(self._tables.rows("invite_tokens"), partial(self._delivery, conditions))

    def _delivery(self, conditions: Conditions, row: Row) -> Found | None:
        if row["sent_ts"] is None:
            return None
        threepid = address(row["medium"], row["address"])
        bound = self._newest.get(threepid)
        if not self._settings.deletes_tokens:
            return Left("whether the homeserver has taken it was not written down")
        if bound is None or bound.user_id is None:
            return Left("the address is bound to nobody any more")
        return Delivery(
            id="0",
            kind="onbind",
            destination=server_of(user(bound.user_id)),
            threepid=threepid,
            token=row["token"],
            user_id=bound.user_id,
            created=conditions.now if conditions.retry_failed else row["sent_ts"] * 1000,
            due=conditions.now,
            state="queued" if conditions.retry_failed else "abandoned",
            answer=UNDELIVERED,
        )

    # Sessions and accounts.

    def _sessions(self, conditions: Conditions) -> Iterator[Found]:
        tokens: dict[int, Row] = {row["validationSession"]: row for row in self._tables.rows("threepid_token_auths")}
        rows = self._tables.rows("threepid_validation_sessions")
        return each(rows, lambda row: _session(conditions, row, tokens.get(row["id"])))

    def _access_tokens(self, conditions: Conditions) -> Iterator[Found]:
        created = {row["user_id"]: row["created_ts"] for row in self._tables.rows("accounts")}

        def access_token(row: Row) -> Found:
            owner = user(row["user_id"])
            return AccessToken(
                digest=sha256_of(row["token"]), user_id=owner, created=created.get(owner, conditions.now)
            )

        return each(self._tables.rows("tokens"), access_token)

    def _accepted_terms(self, conditions: Conditions) -> Iterator[Found]:
        accounts = {row["user_id"]: row for row in self._tables.rows("accounts")}
        rows = self._tables.rows("accepted_terms_urls")
        return each(rows, lambda row: self._accepted(conditions, row, accounts.get(row["user_id"])))

    def _accepted(self, conditions: Conditions, row: Row, account: Row | None) -> Found:
        wanted = self._settings.terms_version
        if wanted is not None and (account is None or account["consent_version"] != wanted):
            return Left("the terms have changed since they were accepted")
        accepted_at = account["created_ts"] if account else conditions.now
        return AcceptedTerms(user_id=user(row["user_id"]), url=_text(row["url"]), accepted_at=accepted_at)


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _signed(row: Row, threepid: ThreePid, conditions: Conditions) -> bytes:
    return json.encode(
        conditions.signer.sign(
            {
                "medium": threepid.medium,
                "address": threepid.address,
                "mxid": row["mxid"],
                "ts": row["ts"],
                "not_before": row["notBefore"],
                "not_after": row["notAfter"],
            }
        )
    )


def _session(conditions: Conditions, row: Row, token: Row | None) -> Found:
    modified = still_going(row["mtime"], conditions)
    return session(
        str(row["id"]),
        address(row["medium"], row["address"]),
        row["clientSecret"],
        token["token"] if token else None,
        modified=modified,
        validated=bool(row["validated"]),
        send_attempt=token["sendAttemptNumber"] if token else -1,
    )
