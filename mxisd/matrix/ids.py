"""User IDs, room IDs and server names: their grammars (specification: appendices, "Identifier Grammar")."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

# All identifiers with a sigil share this limit, sigil and domain included.
MAX_IDENTIFIER_BYTES = 255
MAX_SERVER_NAME = 230

_DNS_NAME = re.compile(r"[0-9A-Za-z.-]{1,255}")
_PORT = re.compile(r"[0-9]{1,5}")


class InvalidIdentifier(ValueError):
    """A string that does not follow the grammar; the message says what is wrong with it."""


def split_server_name(name: str) -> tuple[str, int | None]:
    """
    Split a server name into its host and its port, ``None`` if it names no port.

    The host of an IPv6 literal keeps its brackets.  Raises :class:`InvalidIdentifier` for anything
    that is no bare server name: a scheme, a path, user info, spaces, a port out of range.
    """
    if name.startswith("["):
        host, bracket, rest = name.partition("]")
        host += bracket
        try:
            IPv6Address(host[1:-1] if bracket else "")
        except AddressValueError:
            raise InvalidIdentifier(f"{name!r} is not a server name: bad IPv6 address") from None
        if rest and not rest.startswith(":"):
            raise InvalidIdentifier(f"{name!r} is not a server name: text after the address")
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = name.partition(":")
        if not _DNS_NAME.fullmatch(host) or len(host) > MAX_SERVER_NAME:
            raise InvalidIdentifier(f"{name!r} is not a server name")
    if not colon:
        return host, None
    # A leading zero would make two spellings of one server.
    if not _PORT.fullmatch(port) or port.startswith("0") or int(port) > 65535:
        raise InvalidIdentifier(f"{name!r} is not a server name: the port is not within 1 to 65535")
    return host, int(port)


def is_ip_literal(host: str) -> bool:
    """Whether a host, as :func:`split_server_name` gives it, is an IP address."""
    if host.startswith("["):
        return True
    try:
        IPv4Address(host)
    except AddressValueError:
        return False
    return True


def split_user_id(user_id: str) -> tuple[str, str]:
    """
    Split ``@localpart:server`` into localpart and server name.

    Historical localparts (any character but ``:`` and NUL) are accepted, since such users exist.
    Raises :class:`InvalidIdentifier`.
    """
    if not user_id.startswith("@") or len(user_id.encode("utf-8", "surrogatepass")) > MAX_IDENTIFIER_BYTES:
        raise InvalidIdentifier(f"{user_id!r} is not a user ID")
    localpart, colon, server = user_id[1:].partition(":")
    if not colon or not localpart or not localpart.isprintable():
        raise InvalidIdentifier(f"{user_id!r} is not a user ID")
    split_server_name(server)
    return localpart, server


def server_of(user_id: str) -> str:
    """The server name of a user ID.  Raises :class:`InvalidIdentifier`."""
    return split_user_id(user_id)[1]


def is_user_of(user_id: str, server_name: str) -> bool:
    """Whether a string is the user ID of a user of this homeserver."""
    try:
        return server_of(user_id) == server_name
    except InvalidIdentifier:
        return False


def check_room_id(room_id: str) -> None:
    """
    Raise :class:`InvalidIdentifier` unless the string is a room ID.

    Since room version 12 a room ID names no server: only the sigil and an opaque part are sure.
    """
    if (
        len(room_id) < 2
        or not room_id.startswith("!")
        or not room_id.isprintable()
        or " " in room_id
        or len(room_id.encode("utf-8", "surrogatepass")) > MAX_IDENTIFIER_BYTES
    ):
        raise InvalidIdentifier(f"{room_id!r} is not a room ID")
