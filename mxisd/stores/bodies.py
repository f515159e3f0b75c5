"""What ``rest`` and ``exec`` say and are told in JSON: the bodies of mxisd's REST API for identity stores."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from ..matrix.threepid import ThreePid
from .address import kept
from .localpart import UserIds
from .store import Entry, Profile


class BadAnswer(Exception):
    """An answer that is not as the API has it."""


class Id(Struct):
    """A user: ``type`` is ``localpart`` (``uid``) or ``mxid``."""

    type: str = ""
    value: str = ""


class ThreePidFields(Struct):
    medium: str
    address: str


class LookedUp(Struct):
    medium: str = ""
    address: str = ""
    id: Id | None = None


class SingleAnswer(Struct):
    """The answer to a lookup of one address."""

    lookup: LookedUp | None = None


class BulkAnswer(Struct):
    """The answer to a lookup of many."""

    lookup: list[LookedUp] = []


class ProfileFields(Struct):
    """Logins call the addresses ``three_pids``, everything else ``threepids``."""

    display_name: str | None = None
    threepids: list[ThreePidFields] | None = None
    three_pids: list[ThreePidFields] | None = None
    roles: list[str] | None = None

    @property
    def addresses(self) -> tuple[ThreePid, ...]:
        given = [*(self.threepids or ()), *(self.three_pids or ())]
        return tuple(dict.fromkeys(kept(each.medium, each.address) for each in given))


class ProfileAnswer(Struct):
    """The answer about a profile."""

    profile: ProfileFields | None = None


class AuthFields(Struct):
    success: bool = False
    id: Id | None = None
    profile: ProfileFields | None = None


class AuthAnswer(Struct):
    """The answer about a password."""

    auth: AuthFields


class Result(Struct):
    user_id: str
    display_name: str | None = None
    avatar_url: str | None = None


class SearchAnswer(Struct):
    """The answer to a search."""

    results: list[Result] = []


def user_parts(user_ids: UserIds, user_id: str) -> dict[str, str] | None:
    """A user, as requests name them; ``None`` for those of other homeservers, of whom a store knows nothing."""
    name = user_ids.name_of(user_id)
    if name is None:
        return None
    return {"mxid": user_id, "localpart": name, "domain": user_id.partition(":")[2]}


class Reader:
    """Takes from answers what may be taken."""

    def __init__(self, user_ids: UserIds) -> None:
        self._user_ids = user_ids

    def user_id(self, given: Id) -> str | None:
        """Raises :class:`BadAnswer`."""
        if given.type in {"localpart", "uid"}:
            return self._user_ids.of_name(given.value)
        if given.type == "mxid":
            return self._user_ids.checked(given.value)
        raise BadAnswer(f"a user is of the type localpart or mxid, not {given.type!r}")

    def pairs(self, answers: Iterable[LookedUp]) -> Iterable[tuple[ThreePid, str]]:
        """Addresses and who is behind them.  Raises :class:`BadAnswer`."""
        for answer in answers:
            user_id = self.user_id(answer.id) if answer.id else None
            if user_id is not None:
                yield kept(answer.medium, answer.address), user_id

    def entries(self, results: Iterable[Result], limit: int) -> list[Entry]:
        """Whom a search has found."""
        entries = []
        for result in results:
            of = self._user_ids.checked if result.user_id.startswith("@") else self._user_ids.of_name
            user_id = of(result.user_id)
            if user_id is not None:
                entries.append(Entry(user_id, result.display_name, result.avatar_url))
        return entries[:limit]

    def login(self, user_id: str, answer: AuthFields) -> Profile | None:
        """Whom a password has let in who said to be ``user_id``.  Raises :class:`BadAnswer`."""
        if not answer.success:
            return None
        told = self.user_id(answer.id) if answer.id else user_id
        profile = answer.profile or ProfileFields()
        if told is None:
            return None
        return Profile(told, profile.display_name, profile.addresses, frozenset(profile.roles or ()))
