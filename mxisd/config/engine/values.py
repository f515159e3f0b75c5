"""The kinds of values, each with the function that reads it from its text and raises :class:`Unfit`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from ...matrix.ids import InvalidIdentifier, split_server_name, split_user_id
from .section import Unfit, Value

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


def key_prefix(text: str) -> str:
    # It goes into scripts as it is.
    if not re.fullmatch(r"[0-9A-Za-z._:{}-]*", text):
        raise Unfit("letters, digits and ._:{}-, such as mxisd:")
    return text


def expression(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError) as error:
        raise Unfit(f"a regular expression ({error})") from None
    except RecursionError:
        raise Unfit("a regular expression (nested too deeply)") from None
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


_positive = within(1, None)

Text = Annotated[str, Value(text)]
Positive = Annotated[int, Value(_positive)]
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
ExistingFile = Annotated[Path, Value(existing_file)]
