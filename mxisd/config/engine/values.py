"""The kinds of values, each with the function that reads it from its text and raises :class:`Unfit`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from twisted.internet.endpoints import serverFromString

from ...matrix.ids import InvalidIdentifier, split_server_name, split_user_id
from ...net.hosts import BadHost, HostPort, host_port
from ...net.networks import Network
from .section import Secret, Unfit, Value

Parser = Callable[[str], Any]

_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
# Numbers have ten digits at most, which is more than anybody means and less than databases cannot hold.
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,9})")
_DURATION = re.compile(r"(?:(\d{1,10})d)?\s*(?:(\d{1,10})h)?\s*(?:(\d{1,10})m)?\s*(?:(\d{1,10})s)?", re.ASCII)
# What is this far in the future still has a date: Python knows none after the year 9999.
_LONGEST = timedelta(days=7000 * 365)
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
        number = int(text) if _INTEGER.fullmatch(text) else least - 1
        if number < least or (most is not None and number > most):
            raise Unfit(expected)
        return number

    return parse


def duration(text: str) -> timedelta:
    """A duration in ma1sd's form."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise Unfit("a duration such as '10s' or '2d 4h 12m 34s'")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    count = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if count > _LONGEST.total_seconds():
        raise Unfit(f"a duration of at most {_LONGEST.days}d")
    return timedelta(seconds=count)


def number_of(unit: timedelta) -> Callable[[str], timedelta]:
    """Reads durations that are whole numbers of a unit, which is part of what the key means."""

    def parse(text: str) -> timedelta:
        count = _positive(text)
        if count > _LONGEST // unit:
            raise Unfit(f"a whole number from 1 to {_LONGEST // unit}")
        return count * unit

    return parse


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


def host_pattern(text: str) -> str:
    """In lower case: a host, ``.example.org`` for those below it, ``*`` for any."""
    if text == "*":
        return text
    try:
        name = str(HostPort(host(re.sub(r"^\*?\.", "", text).removesuffix(".")))).lower()
    except Unfit:
        raise Unfit("a host such as app.example.org, '*.example.org' for those below it, or '*' for any") from None
    return f".{name}" if text.startswith((".", "*.")) else name


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
        raise Unfit("a URL such as https://example.org/path")
    return text


def base_url(text: str) -> str:
    """A URL to put paths behind: it comes without a slash at its end."""
    if not _is_http(text) or "?" in text or "#" in text:
        raise Unfit("the base of URLs, such as https://example.org")
    return text.rstrip("/")


def _is_http(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host_port(parts.netloc)
    except ValueError:
        return False
    is_plain = text.isascii() and text.isprintable() and " " not in text
    return parts.scheme in {"http", "https"} and is_plain


def redis_url(text: str) -> Secret:
    try:
        parts = urlsplit(text)
        if parts.scheme == "unix":
            fits, database = bool(parts.path), parse_qs(parts.query).get("db", [""])[0]
        else:
            fits, database = parts.scheme in {"redis", "rediss"}, parts.path.strip("/")
            host_port(parts.netloc.rpartition("@")[2])
        fits = fits and re.fullmatch(r"[0-9]{0,5}", database) is not None
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
        raise Unfit(f"a network such as 10.0.0.0/8 or ::1/128 ({error})") from None


def name_server(text: str) -> tuple[str, int]:
    try:
        host, port = host_port(text)
        return str(ip_address(host)), port or 53
    except ValueError:
        raise Unfit("the address of a name server, such as 127.0.0.1:53 or [::1]:53") from None


def host(text: str) -> str:
    """A host whose port has a key of its own; what comes is without brackets, and in ASCII."""
    expected = "the name or the address of a host"
    if "://" in text:
        raise Unfit(f"{expected} without {text.partition('://')[0]}:// in front")
    try:
        found = host_port(text)
    except BadHost:
        raise Unfit(expected) from None
    if found.port is not None:
        raise Unfit(f"{expected} alone: the port goes to the key 'port' beside it")
    return found.host


def host_and_port(text: str) -> HostPort:
    try:
        return host_port(text)
    except BadHost as error:
        raise Unfit(f"a host such as example.org, or host:port ({error})") from None


def expression(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError) as error:
        raise Unfit(f"a regular expression ({error})") from None
    except RecursionError:
        raise Unfit("a regular expression (nested too deeply)") from None
    return text


def endpoint(text: str) -> str:
    """A Twisted endpoint, as far as one can judge without a reactor."""
    no_reactor: Any = None
    try:
        serverFromString(no_reactor, text)
    except AttributeError:
        return text  # One from a plugin, that wants a reactor: to be judged at start.
    except Exception as error:
        # Of any kind: it is OpenSSL's own for a certificate, and who knows what plugins raise.
        # What systemd hands over is there only when systemd starts us.
        if not (isinstance(error, LookupError) and text.startswith("systemd:")):
            example = "tcp:8090:interface=127.0.0.1 or unix:/run/mxisd.sock"
            raise Unfit(f"a Twisted endpoint such as {example} ({error})") from None
    return text


def file_name(text: str) -> Path:
    if "\0" in text:
        raise Unfit("the name of a file")
    return Path(text)


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
        return host(text)
    except Unfit:
        raise Unfit("an address such as 127.0.0.1 or ::1, or the path of a socket") from None


_positive = within(1, None)

Text = Annotated[str, Value(text)]
Port = Annotated[int, Value(within(1, 65535, "a port"))]
Positive = Annotated[int, Value(_positive)]
Duration = Annotated[timedelta, Value(duration)]
Days = Annotated[timedelta, Value(number_of(timedelta(days=1)))]
Minutes = Annotated[timedelta, Value(number_of(timedelta(minutes=1)))]
Milliseconds = Annotated[timedelta, Value(number_of(timedelta(milliseconds=1)))]
Host = Annotated[str, Value(host)]
"""The name or the address of a host: no port, which has a key of its own, and no scheme."""
HostAndPort = Annotated[HostPort, Value(host_and_port)]
"""A host, with a port or without."""
ListeningHost = Annotated[str, Value(listening_host)]
ServerName = Annotated[str, Value(server_name)]
ServerNameOrAny = Annotated[str, Value(server_name_or_any)]
HostPattern = Annotated[str, Value(host_pattern)]
UserId = Annotated[str, Value(user_id)]
Localpart = Annotated[str, Value(localpart)]
EmailAddress = Annotated[str, Value(email_address)]
Url = Annotated[str, Value(url)]
BaseUrl = Annotated[str, Value(base_url)]
RedisUrl = Annotated[Secret, Value(redis_url)]
KeyPrefix = Annotated[str, Value(key_prefix)]
PoolSize = Annotated[int, Value(within(1, 100))]
Cidr = Annotated[Network, Value(network)]
NameServer = Annotated[tuple[str, int], Value(name_server)]
Expression = Annotated[str, Value(expression)]
Endpoint = Annotated[str, Value(endpoint)]
ExistingFile = Annotated[Path, Value(existing_file)]
