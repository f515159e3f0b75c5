"""Whole numbers as YAML 1.1 has them, which is how mxisd and ma1sd read their files."""

from __future__ import annotations

import re
from typing import Any

from .section import Told

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
# Each group is a base; that of base 60 is minutes and seconds, or more of them.
_YAML_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0b(?P<b2>[01]+)|0x(?P<b16>[0-9A-Fa-f]+)|0(?P<b8>[0-7]+)|(?P<b60>[1-9]\d*(?::[0-5]?\d)+)|(?P<b10>\d+))",
    re.ASCII,
)
# More digits than anybody means.
_LONGEST_NUMBER = 100


def number(text: str) -> int | None:
    """What a text is as a whole number of YAML 1.1: ``010`` is eight, ``10:00`` six hundred, ``1_000`` a thousand."""
    if len(text) > _LONGEST_NUMBER:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    match = _YAML_INTEGER.fullmatch(text.replace("_", ""))
    if match is None or text.startswith("_"):
        return None
    if match["b60"]:
        found = 0
        for part in match["b60"].split(":"):
            found = found * 60 + int(part)
    elif match["b10"] and match["b10"].startswith("0") and match["b10"] != "0":
        return None  # Eight or nine in what begins with a zero.
    else:
        found = next(int(match[f"b{base}"], base) for base in (2, 8, 10, 16) if match[f"b{base}"])
    return -found if match["sign"] == "-" else found


def read_as(value: object, found: int, text: str) -> Any:
    """The value of a number, and where it does not look like it, a word about that."""
    return value if text == str(found) else Told(value, f"{text} is read as {found}, as YAML 1.1 has it")
