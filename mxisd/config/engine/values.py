"""The kinds of values, each with the function that reads it from its text and raises :class:`Unfit`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from ... import patterns
from ...matrix.ids import InvalidIdentifier, split_server_name, split_user_id
from ...net.tls import TlsVerification
from .numbers import number, read_as
from .section import Told, Unfit, Value

Parser = Callable[[str], Any]

BUILT_IN = "classpath:"
"""How mxisd named the files that it brought along."""

_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
# What Java's longest numbers hold, and what whole numbers hold that somebody counts.
_LARGEST, _MANY = 2**63 - 1, 9_999_999_999
_DURATION = re.compile(r"(\d{1,10})([dhms])(?:\s+|(?=\d)|$)", re.ASCII)
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
# What is this far in the future still has a date: Python knows none after the year 9999.
_LONGEST = timedelta(days=7000 * 365)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_WITH_NAME = re.compile(r"([^<>\r\n]*)<([^<>\r\n]+)>")
_MAILBOX = re.compile(r"[^\s\x00-\x20\x7f@<>()\[\]\\,:;\"]+")
_DOMAIN = re.compile(r"\w([\w.-]*\w)?")


def language_tag(text: str) -> str:
    if not _LANGUAGE.fullmatch(text):
        raise Unfit("a language such as de or pt-BR")
    return text


def boolean(text: str) -> bool:
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise Unfit("true or false") from None


def integer(text: str) -> Any:
    found = number(text)
    if found is None or abs(found) > _LARGEST:
        raise Unfit("a whole number")
    return read_as(found, found, text)


def within(least: int, most: int | None, what: str = "a whole number") -> Parser:
    """Reads whole numbers between two bounds."""
    expected = f"{what} of at least {least}" if most is None else f"{what} from {least} to {most}"

    def parse(text: str) -> Any:
        found = number(text)
        if found is None or not least <= found <= (_MANY if most is None else most):
            raise Unfit(expected)
        return read_as(found, found, text)

    return parse


def duration(text: str) -> timedelta:
    """A duration in ma1sd's form, the sum of its parts.  The parts may come in any order."""
    parts = _DURATION.findall(text.strip())
    if not parts or _DURATION.sub("", text.strip()):
        raise Unfit("a duration such as '10s' or '2d 4h 12m 34s'")
    count = sum(int(part) * _UNITS[unit] for part, unit in parts)
    if count > _LONGEST.total_seconds():
        raise Unfit(f"a duration of at most {_LONGEST.days}d")
    return timedelta(seconds=count)


def number_of(unit: timedelta) -> Parser:
    """Reads durations that are whole numbers of a unit, which is part of what the key means."""
    most = _LONGEST // unit

    def parse(text: str) -> Any:
        found = number(text)
        if found is None or found < 1:
            raise Unfit("a whole number of at least 1")
        if found > most:
            raise Unfit(f"a whole number from 1 to {most}")
        return read_as(found * unit, found, text)

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


def email_address(text: str) -> Any:
    if match := _WITH_NAME.fullmatch(text):
        return Told(email_address(match[2]), f"read as {match[2]}; the name belongs to the key 'name' beside it")
    # Less strict than with what users type: a sender may well be at localhost, or at a domain reserved for tests.
    mailbox, at, domain = text.rpartition("@")
    if not at or not _MAILBOX.fullmatch(mailbox) or not _DOMAIN.fullmatch(domain):
        raise Unfit("an email address such as mxisd@example.org")
    return text


def key_prefix(text: str) -> str:
    # It goes into scripts as it is.
    if not re.fullmatch(r"[0-9A-Za-z._:{}-]*", text):
        raise Unfit("letters, digits and ._:{}-, such as mxisd:")
    return text


def expression(text: str) -> str:
    try:
        patterns.Expression(text)
    except patterns.UnusableExpression as error:
        raise Unfit(f"a regular expression ({error})") from None
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


def replacement(text: str) -> Any:
    """A file; ``None``, for the built-in one, if there is none of that name, and for mxisd's own in ``classpath:``."""
    if text.startswith(BUILT_IN):
        return None
    try:
        return existing_file(text)
    except Unfit as unfit:
        return Told(None, f"the built-in one is used: expected {unfit}, found {text!r}")


def tls_verify(text: str) -> str:
    word = text.lower()
    if word in _BOOLEANS:
        # As a switch, which it once was.
        return "full" if _BOOLEANS[word] else "none"
    if word not in {"full", "chain", "none"}:
        raise Unfit("full, chain or none")
    return word


def text(text: str) -> str:
    if not text:
        raise Unfit("a text")
    return text


LanguageTag = Annotated[str, Value(language_tag)]
Text = Annotated[str, Value(text)]
Positive = Annotated[int, Value(within(1, None))]
Duration = Annotated[timedelta, Value(duration)]
Days = Annotated[timedelta, Value(number_of(timedelta(days=1)))]
Minutes = Annotated[timedelta, Value(number_of(timedelta(minutes=1)))]
Milliseconds = Annotated[timedelta, Value(number_of(timedelta(milliseconds=1)))]
ServerName = Annotated[str, Value(server_name)]
ServerNameOrAny = Annotated[str, Value(server_name_or_any)]
UserId = Annotated[str, Value(user_id)]
Localpart = Annotated[str, Value(localpart)]
EmailAddress = Annotated[str, Value(email_address)]
KeyPrefix = Annotated[str, Value(key_prefix)]
PoolSize = Annotated[int, Value(within(1, 100))]
Expression = Annotated[str, Value(expression)]
TlsVerify = Annotated[TlsVerification, Value(tls_verify)]
"""What a server's certificate is checked for: its name and authority, its authority, or nothing."""
ExistingFile = Annotated[Path, Value(existing_file)]
Replacement = Annotated[Path | None, Value(replacement)]
"""A file in place of a built-in one."""
