"""User IDs by what a directory server calls its users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..localpart import UserIds


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

    Of the default domain it is only the name.
    """

    def __init__(self, user_ids: UserIds, default_domain: str | None) -> None:
        self._user_ids = user_ids
        self._default = (default_domain or "").lower()

    def user_id(self, uid: str) -> str | None:
        name, at, domain = uid.lower().partition("@")
        if not at or not name or not domain:
            return None
        return self._user_ids.of_name(name if domain == self._default else f"{name}/{domain}")

    def uids(self, user_id: str) -> Sequence[str]:
        name = self._user_ids.name_of(user_id)
        if name is None:
            return ()
        name, _, domain = name.rpartition("/") if "/" in name else (name, "", self._default)
        uid = f"{name}@{domain}"
        # jane/example.com is not a second name of jane, where example.com is the default domain.
        return _given(uid if self.user_id(uid) == user_id else None)


def _given(uid: str | None) -> Sequence[str]:
    return () if uid is None else (uid,)
