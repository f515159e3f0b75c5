"""
What ``rest`` and ``exec`` say and are told in JSON: the bodies of mxisd's REST API for identity stores.

Answers are read as the library read them that the old servers were built on, since that is what their backends were
tried with: a number is as good as a text, and of a list only those entries are left out that cannot be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from ..log import Logger
from ..lookup.source import Unusable
from ..matrix.threepid import ThreePid
from .address import kept
from .localpart import UserIds
from .store import Entries, Entry, Profile

log = Logger()

Fields: TypeAlias = Mapping[str, Any]
"""A JSON object."""


class BadAnswer(Unusable):
    """An answer that is not as the API has it; the message quotes no address."""


def decoded(body: bytes) -> Fields:
    """
    A body, with numbers as the texts that they were written as; empty if there is none.

    Raises :class:`BadAnswer`.
    """
    try:
        # A byte order mark is understood, too.
        answer = json.loads(body, parse_int=str, parse_float=str, parse_constant=str) if body.strip() else None
    except (ValueError, RecursionError):
        raise BadAnswer("expected JSON") from None
    return _object(answer, "the answer") or {}


def user_parts(user_ids: UserIds, user_id: str) -> dict[str, str] | None:
    """A user, as requests name them; ``None`` for those of other homeservers, of whom a store knows nothing."""
    name = user_ids.name_of(user_id)
    if name is None:
        return None
    return {"mxid": user_id, "localpart": name, "domain": user_id.partition(":")[2]}


class ProfileFields:
    """The ``profile`` of an answer.  Logins call the addresses ``three_pids``, everything else ``threepids``."""

    def __init__(self, answer: Fields) -> None:
        self._given = _object(answer.get("profile"), "profile") or {}

    @property
    def display_name(self) -> str | None:
        return _text(self._given.get("display_name"))

    @property
    def addresses(self) -> tuple[ThreePid, ...]:
        """Raises :class:`BadAnswer`."""
        keys = ("threepids", "three_pids")
        given = [(key, each) for key in keys for each in _list(self._given.get(key), key)]
        return tuple(dict.fromkeys(_readable(_address, given)))

    @property
    def roles(self) -> tuple[str, ...]:
        """Raises :class:`BadAnswer`."""
        return tuple(_readable(_needed_text, [("roles", each) for each in _list(self._given.get("roles"), "roles")]))


class Reader:
    """Takes from answers what may be taken."""

    def __init__(self, user_ids: UserIds) -> None:
        self._user_ids = user_ids

    def user_id(self, given: object) -> str | None:
        """
        The user whom an ``id`` means; ``None``, and a line in the log, if there is no such user.

        A whole user ID is one, whatever the ``type`` says.  Raises :class:`BadAnswer`.
        """
        fields = _object(given, "id")
        value = _text(fields.get("value")) if fields else None
        if not fields or not value:
            return None
        type_ = (_text(fields.get("type")) or "").lower()
        if type_ in {"localpart", "uid"}:
            return self._user_ids.of_name(value)
        if type_ == "mxid" or value.startswith("@"):
            return self._user_ids.checked(value)
        raise BadAnswer(f"a user is of the type localpart or mxid, not {type_!r}")

    def found_one(self, answer: Fields) -> str | None:
        """Who is behind an address, which the answer need not repeat.  Raises :class:`BadAnswer`."""
        lookup = _object(answer.get("lookup"), "lookup")
        return self.user_id(lookup.get("id")) if lookup else None

    def pairs(self, answer: Fields) -> Iterable[tuple[ThreePid, str]]:
        """Addresses and who is behind them.  Raises :class:`BadAnswer`."""
        given = [("lookup", each) for each in _list(answer.get("lookup"), "lookup")]
        return ((threepid, user_id) for threepid, user_id in _readable(self._pair, given) if user_id is not None)

    def entries(self, answer: Fields, limit: int) -> Entries:
        """Whom a search has found.  Raises :class:`BadAnswer`."""
        given = [("results", each) for each in _list(answer.get("results"), "results")]
        found = [entry for entry in _readable(self._entry, given) if entry is not None]
        return Entries(found[:limit], more=_true(answer.get("limited")) or len(found) > limit)

    def login(self, user_id: str, answer: Fields, unsaid: bool = False) -> Profile | None:
        """
        Whom a password has let in who said to be ``user_id``; ``unsaid`` is what it means if that is not told.

        The profile may stand beside ``auth``.  Raises :class:`BadAnswer`.
        """
        auth = _object(answer.get("auth"), "auth") or {}
        if unsaid:
            # Who has said yes already need not write ``auth`` at all.
            auth = {**answer, **auth}
        success = auth.get("success")
        if not (unsaid if success is None else _true(success)):
            return None
        told = self.user_id(auth["id"]) if auth.get("id") else user_id
        if told is None:
            return None
        profile = ProfileFields(auth if auth.get("profile") else answer)
        return Profile(told, profile.display_name, profile.addresses, frozenset(profile.roles))

    def _pair(self, given: object, what: str) -> tuple[ThreePid, str | None]:
        fields = _object(given, what) or {}
        return _address(given, what), self.user_id(fields.get("id"))

    def _entry(self, given: object, what: str) -> Entry | None:
        fields = _object(given, what) or {}
        # A localpart, or a user ID.
        user_id = self._user_ids.of_name(_needed_text(fields.get("user_id"), "user_id"))
        if user_id is None:
            return None
        return Entry(user_id, _text(fields.get("display_name")), _text(fields.get("avatar_url")))


def _readable(read: Any, given: Iterable[tuple[str, object]]) -> Iterator[Any]:
    """What can be read of the entries of a list."""
    for what, each in given:
        try:
            yield read(each, what)
        except BadAnswer as error:
            log.warn("an entry of {what} is left out: {error}", what=what, error=str(error))


def _address(given: object, what: str) -> ThreePid:
    fields = _object(given, what) or {}
    return kept(_needed_text(fields.get("medium"), "medium"), _needed_text(fields.get("address"), "address"))


def _object(value: object, what: str) -> Fields | None:
    if value is None or isinstance(value, dict):
        return value
    raise BadAnswer(f"{what}: expected an object, found {_kind(value)}")


def _list(value: object, what: str) -> list[object]:
    if value is None or isinstance(value, list):
        return value or []
    raise BadAnswer(f"{what}: expected a list, found {_kind(value)}")


def _text(value: object) -> str | None:
    """What may stand for a text; anything else is not there."""
    if isinstance(value, bool):
        return "true" if value else "false"
    # Half of a pair of surrogates is no character, and nothing that could be sent on.
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(value, str) else None


def _needed_text(value: object, what: str) -> str:
    text = _text(value)
    if text is None:
        raise BadAnswer(f"{what}: expected a text, found {_kind(value)}")
    return text


def _true(value: object) -> bool:
    return (_text(value) or "").lower() == "true"


def _kind(value: object) -> str:
    kinds = {type(None): "nothing", bool: "true or false", str: "a text", list: "a list", dict: "an object"}
    return kinds[type(value)]
