"""Patterns for identifiers in which ``*`` stands for any number of characters."""

from __future__ import annotations

from collections.abc import Callable


def glob(pattern: str) -> Callable[[str], bool]:
    """
    Make a test for whole strings.

    There is nothing to go back over: the time it takes grows with the product of the lengths and no faster.
    """
    first, *others = pattern.split("*")
    if not others:
        return pattern.__eq__
    *middle, last = others

    def matches(text: str) -> bool:
        at, end = len(first), len(text) - len(last)
        if at > end or not text.startswith(first) or not text.endswith(last):
            return False
        for part in middle:
            found = text.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True

    return matches
