"""
Patterns that administrators write: globs, and regular expressions written for Java.

RE2 runs both, in time linear to the text: no pattern and no text can make it run away.
"""

from __future__ import annotations

from collections.abc import Callable

import re2

from .java_expressions import Untranslatable, translated

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
    """Matches whole texts, in any case unless it begins with ``(?-i)``."""

    def __init__(self, pattern: str) -> None:
        """Raises :class:`UnusableExpression`."""
        try:
            self._compiled = re2.compile(translated(pattern), _OPTIONS)
        except Untranslatable as error:
            raise UnusableExpression(f"RE2 has no {error}") from None
        except re2.error as error:
            reason = error.args[0]
            raise UnusableExpression(reason.decode() if isinstance(reason, bytes) else str(reason)) from None

    def matches(self, text: str) -> bool:
        return self._compiled.fullmatch(text) is not None
