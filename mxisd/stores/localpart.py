"""Converts the names in a store to user IDs, and back (specification: appendices, "User Identifiers")."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..log import Logger
from ..matrix.ids import InvalidIdentifier, split_user_id

log = Logger()

_OTHER = re.compile(rb"[^a-z0-9._/+-]")
_ESCAPED = re.compile(rb"=([0-9a-f]{2})")
_LOCALPART = re.compile(r"[a-z0-9._=/+-]+")
# Names that every way of mapping leaves alone, and that make no user ID too long.
_PLAIN = re.compile(r"[a-z0-9._-]{1,16}")


def mapped(name: str) -> str:
    """
    The localpart for a name of any characters, by the algorithm that the specification suggests.

    ``Ana Fuß`` becomes ``ana=20fu=c3=9f``.  ASCII only is lower-cased, so that nothing but case is lost.
    """
    encoded = name.encode("utf-8", "surrogatepass").lower()
    return _OTHER.sub(lambda match: b"=%02x" % match[0][0], encoded).decode("ascii")


def unmapped(localpart: str) -> str:
    """The name, in lower case, that :func:`mapped` makes a localpart of; what is no escape stays as it is."""
    encoded = _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), localpart.encode("utf-8", "surrogatepass"))
    try:
        return encoded.decode("utf-8")
    except UnicodeDecodeError:
        return localpart


def strict(name: str) -> str:
    """The name itself.  Raises :class:`InvalidIdentifier` unless it is a localpart of today's grammar."""
    if not _LOCALPART.fullmatch(name):
        raise InvalidIdentifier(f"{name!r} is not the localpart of a user ID")
    return name


class UserIds:
    """The user IDs of one homeserver, as a store with names of its own sees them."""

    def __init__(self, domain: str, localpart: Callable[[str], str] = mapped) -> None:
        """``localpart`` is :func:`mapped`, or :func:`strict` to refuse what would have to be changed."""
        self._domain = domain
        self._localpart = localpart

    def of_name(self, name: str) -> str | None:
        """
        The user ID for a name; ``None``, and a line in the log, if there is none.

        A name of the form of a user ID is one already, whatever blanks a column adds to it: mapped, it would be
        that of somebody else.
        """
        if name.lstrip().startswith("@") and ":" in name:
            return self.checked(name)
        if _PLAIN.fullmatch(name):
            return f"@{name}:{self._domain}"
        try:
            return self.checked(f"@{self._localpart(name)}:{self._domain}")
        except InvalidIdentifier as error:
            log.warn("a user of an identity store is left out: {error}", error=str(error))
            return None

    def checked(self, user_id: str) -> str | None:
        """A user ID as it stands in a store, of whatever domain; ``None``, and a line in the log, if it is none."""
        user_id = user_id.strip()
        try:
            split_user_id(user_id)
        except InvalidIdentifier as error:
            log.warn("a user of an identity store is left out: {error}", error=str(error))
            return None
        return user_id

    def name_of(self, user_id: str) -> str | None:
        """
        What a store would call a user; ``None`` for a user whom no store can mean.

        Those are users of other homeservers, and users of ours whose localpart is not what :meth:`of_name` makes of the
        name.  ``@=61dmin`` is not ``@admin`` spelt differently: homeservers let anybody register it, and whoever
        does must not have the roles, the profile or the password of ``admin``.
        """
        try:
            localpart, domain = split_user_id(user_id)
        except InvalidIdentifier:
            return None
        if domain != self._domain:
            return None
        name = unmapped(localpart) if self._localpart is mapped else localpart
        # Directories and databases ignore spaces around a name, so that "admin " would be another "admin".
        if name != name.strip() or not name.isprintable():
            return None
        return name if self.of_name(name) == user_id else None
