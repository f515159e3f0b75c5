"""
Patterns that administrators write: globs, and regular expressions written for Java.

RE2 runs both, in time linear to the text: no pattern and no text can make it run away.
"""

from __future__ import annotations

from collections.abc import Callable

import re2

_OPTIONS = re2.Options()
_OPTIONS.case_sensitive = False  # addresses are compared in folded case
_OPTIONS.log_errors = False


def glob(pattern: str) -> Callable[[str], bool]:
    """Make a test for whole strings from a pattern in which ``*`` stands for any number of any characters."""
    expression = re2.compile("(?s)" + ".*".join(re2.escape(part) for part in pattern.split("*")))
    return lambda text: expression.fullmatch(text) is not None


class UnusableExpression(ValueError):
    """An expression that RE2 cannot run, or would read in another way; the message says why."""


class Expression:
    """Matches whole addresses, in any case."""

    def __init__(self, pattern: str) -> None:
        """Raises :class:`UnusableExpression`."""
        if _nests_classes(pattern):
            raise UnusableExpression("[…] within […] and && in it mean something in Java only")
        try:
            self._compiled = re2.compile(pattern, _OPTIONS)
        except re2.error as error:
            reason = error.args[0]
            raise UnusableExpression(reason.decode() if isinstance(reason, bytes) else str(reason)) from None

    def matches(self, text: str) -> bool:
        return self._compiled.fullmatch(text) is not None


def _nests_classes(pattern: str) -> bool:
    """Whether a character class has a union or an intersection in it, which RE2 takes for plain characters."""
    within = quoted = False
    at = 0
    while at < len(pattern):
        step = 1
        pair = pattern[at : at + 2]
        if quoted:
            quoted = pair != r"\E"
        elif pair[0] == "\\":
            quoted = pair == r"\Q"
            step = 2
        elif within and (pair[0] == "[" or pair == "&&"):
            return True
        elif pair[0] == "[":
            within = True
            # A ] that comes first stands for itself.
            step += len(pattern[at + 1 :]) - len(pattern[at + 1 :].removeprefix("^").removeprefix("]"))
        elif pair[0] == "]":
            within = False
        at += step
    return False
