"""User IDs from the names in a directory server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ...log import Logger
from ..localpart import UserIds

log = Logger()


class Names(Protocol):
    """From the attribute that identifies an entry to user IDs, and back."""

    def user_id(self, uid: str) -> str | None:
        """The user ID; ``None`` if there is none for that value."""
        ...

    def uids(self, user_id: str) -> Sequence[str]:
        """Values that the attribute may have; none for users who cannot be in the directory."""
        ...


class Localparts:
    """The attribute is the localpart."""

    def __init__(self, user_ids: UserIds) -> None:
        self._user_ids = user_ids

    def user_id(self, uid: str) -> str | None:
        return self._user_ids.of_name(uid)

    def uids(self, user_id: str) -> Sequence[str]:
        return _given(self._user_ids.name_of(user_id))


class FullUserIds:
    """The attribute is the whole user ID, of whatever case."""

    def __init__(self, user_ids: UserIds) -> None:
        self._user_ids = user_ids

    def user_id(self, uid: str) -> str | None:
        return self._user_ids.checked(uid.lower())

    def uids(self, user_id: str) -> Sequence[str]:
        return _given(self._user_ids.checked(user_id))


class PrincipalNames:
    """
    Active Directory with several domains: the attribute is ``name@domain``, the localpart ``name/domain``.

    Of the default domain it is only the name, and so is the attribute where it has no domain, as ``sAMAccountName``.
    """

    def __init__(self, user_ids: UserIds, default_domain: str | None) -> None:
        self._user_ids = user_ids
        self._default = (default_domain or "").lower()

    def user_id(self, uid: str) -> str | None:
        localpart = self._localpart(uid)
        if localpart is None:
            # The value may be an address.
            log.warn("a user of Active Directory is left out: its name is neither name nor name@domain")
            return None
        return self._user_ids.of_name(localpart)

    def uids(self, user_id: str) -> Sequence[str]:
        localpart = self._user_ids.name_of(user_id)
        if localpart is None:
            return ()
        name, slash, domain = localpart.rpartition("/")
        uids = (f"{name}@{domain}",) if slash else (f"{localpart}@{self._default}", localpart)
        # jane/example.com is not a second name of jane, where example.com is the default domain.
        return [uid for uid in uids if self._localpart(uid) == localpart]

    def _localpart(self, uid: str) -> str | None:
        name, at, domain = uid.lower().partition("@")
        # No name has a slash, or jane/example.com would be a name of somebody at home.
        if not name or "/" in name or bool(at) != bool(domain):
            return None
        return f"{name}/{domain}" if domain and domain != self._default else name


def _given(uid: str | None) -> Sequence[str]:
    return () if uid is None else (uid,)
