"""The kinds of values, each with the function that reads it from its text and raises :class:`Unfit`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from twisted.internet.endpoints import serverFromString

from ...masking import masked, masked_url
from ...matrix.ids import InvalidIdentifier, split_server_name, split_user_id
from ...net.networks import Network
from .section import Secret, Unfit, Value

Parser = Callable[[str], Any]

_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_DURATION = re.compile(r"(?:(\d+)d)?\s*(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:(\d+)s)?", re.ASCII)
_MAILBOX = re.compile(r"[^\s\x00-\x20\x7f@<>()\[\]\\,:;\"]+")
_DOMAIN = re.compile(r"\w([\w.-]*\w)?")


def boolean(text: str) -> bool:
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise Unfit("true or false") from None


def integer(text: str) -> int:
    # 010 would be ten to some and eight to YAML.
    if not _INTEGER.fullmatch(text):
        raise Unfit("a whole number")
    return int(text)


def within(least: int, most: int | None, what: str = "a whole number") -> Callable[[str], int]:
    """Reads whole numbers between two bounds."""
    expected = f"{what} of at least {least}" if most is None else f"{what} from {least} to {most}"

    def parse(text: str) -> int:
        if not _INTEGER.fullmatch(text) or int(text) < least or (most is not None and int(text) > most):
            raise Unfit(expected)
        return int(text)

    return parse


def duration(text: str) -> int:
    """Seconds, from ma1sd's form."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise Unfit("a duration such as '10s' or '2d 4h 12m 34s'")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def server_name(text: str) -> str:
    try:
        split_server_name(text)
    except InvalidIdentifier:
        raise Unfit("a server name such as example.org") from None
    return text


def server_name_or_any(text: str) -> str:
    if text == "*":
        return text
    try:
        return server_name(text)
    except Unfit:
        raise Unfit("a server name such as example.org, or '*' for any") from None


def user_id(text: str) -> str:
    try:
        split_user_id(text)
    except InvalidIdentifier:
        raise Unfit("a user ID such as @user:example.org") from None
    return text


def localpart(text: str) -> str:
    if not re.fullmatch(r"[0-9a-z._=/+-]+", text):
        raise Unfit("the localpart of a user ID: lower-case letters, digits, and ._=/+-")
    return text


def email_address(text: str) -> str:
    # Less strict than with what users type: a sender may well be at localhost, or at a domain reserved for tests.
    mailbox, at, domain = text.rpartition("@")
    if not at or not _MAILBOX.fullmatch(mailbox) or not _DOMAIN.fullmatch(domain):
        raise Unfit("an email address such as mxisd@example.org")
    return text


def url(text: str) -> str:
    if not _is_http(text):
        raise Unfit("a URL such as https://example.org/path", masked_url(text))
    return text


def secret_url(text: str) -> Secret:
    """A URL with a key in its path or query."""
    return Secret(url(text))


def base_url(text: str) -> str:
    """A URL to put paths behind: it comes without a slash at its end."""
    if not _is_http(text) or "?" in text or "#" in text:
        raise Unfit("the base of URLs, such as https://example.org", masked_url(text))
    return text.rstrip("/")


def _is_http(text: str) -> bool:
    try:
        parts = urlsplit(text)
        split_server_name(parts.netloc)
    except (ValueError, InvalidIdentifier):
        return False
    return parts.scheme in {"http", "https"} and text.isprintable() and " " not in text


def redis_url(text: str) -> Secret:
    try:
        parts = urlsplit(text)
        fits = bool(parts.hostname if parts.scheme in {"redis", "rediss"} else parts.scheme == "unix" and parts.path)
        database = parts.path.strip("/") if parts.scheme != "unix" else parse_qs(parts.query).get("db", [""])[0]
        fits = fits and parts.port != 0 and re.fullmatch(r"[0-9]{0,5}", database) is not None
    except ValueError:
        fits = False
    if not fits:
        raise Unfit("a URL such as redis://localhost:6379/0, rediss://… or unix:/path")
    return Secret(text)


def key_prefix(text: str) -> str:
    # It goes into scripts as it is.
    if not re.fullmatch(r"[0-9A-Za-z._:{}-]*", text):
        raise Unfit("letters, digits and ._:{}-, such as mxisd:")
    return text


def network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise Unfit(f"a network such as 10.0.0.0/8 or ::1/128 ({masked(str(error))})") from None


def name_server(text: str) -> tuple[str, int]:
    try:
        host, port = _host_and_port(text)
        return str(ip_address(host)), port or 53
    except ValueError:
        raise Unfit("the address of a name server, such as 127.0.0.1:53 or [::1]:53") from None


def _host_and_port(text: str) -> tuple[str, int | None]:
    """Like :func:`split_server_name`, for those who write IPv6 addresses without brackets."""
    bare = text.count(":") > 1 and not text.startswith("[")
    host, port = split_server_name(f"[{text}]" if bare else text)
    return host.strip("[]"), port


def expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise Unfit(f"a regular expression ({error})") from None
    return text


def endpoint(text: str) -> str:
    """A Twisted endpoint, as far as one can judge without a reactor."""
    no_reactor: Any = None
    try:
        serverFromString(no_reactor, text)
    except (ValueError, TypeError, LookupError, OSError) as error:
        # What systemd hands over is there only when systemd starts us.
        if not (isinstance(error, LookupError) and text.startswith("systemd:")):
            example = "tcp:8090:interface=127.0.0.1 or unix:/run/mxisd.sock"
            raise Unfit(f"a Twisted endpoint such as {example} ({masked(str(error))})") from None
    except AttributeError:
        return text  # One from a plugin, that wants a reactor: to be judged at start.
    return text


def existing_file(text: str) -> Path:
    path = Path(text)
    if not path.is_file() or not os.access(path, os.R_OK):
        raise Unfit("a file that can be read")
    return path


def text(text: str) -> str:
    if not text:
        raise Unfit("a text")
    return text


def listening_host(text: str) -> str:
    """An address or a name to listen on, or the path of a socket."""
    if text.startswith("/"):
        return text
    try:
        host, port = _host_and_port(text)
    except InvalidIdentifier:
        port = 0
    if port is not None:
        raise Unfit("an address such as 127.0.0.1 or ::1, or the path of a socket")
    return host


_port = within(1, 65535, "a port")

Text = Annotated[str, Value(text)]
"""Not empty."""
Port = Annotated[int, Value(_port)]
Positive = Annotated[int, Value(within(1, None))]
Duration = Annotated[int, Value(duration)]
"""Seconds."""
ListeningHost = Annotated[str, Value(listening_host)]
ServerName = Annotated[str, Value(server_name)]
ServerNameOrAny = Annotated[str, Value(server_name_or_any)]
UserId = Annotated[str, Value(user_id)]
Localpart = Annotated[str, Value(localpart)]
EmailAddress = Annotated[str, Value(email_address)]
Url = Annotated[str, Value(url)]
BaseUrl = Annotated[str, Value(base_url)]
SecretUrl = Annotated[Secret, Value(secret_url)]
RedisUrl = Annotated[Secret, Value(redis_url)]
KeyPrefix = Annotated[str, Value(key_prefix)]
PoolSize = Annotated[int, Value(within(1, 100))]
Cidr = Annotated[Network, Value(network)]
NameServer = Annotated[tuple[str, int], Value(name_server)]
Expression = Annotated[str, Value(expression)]
Endpoint = Annotated[str, Value(endpoint)]
ExistingFile = Annotated[Path, Value(existing_file)]
