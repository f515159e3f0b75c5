"""The errors that all packages have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class StartError(Exception):
    """
    mxisd cannot start with this configuration, or with what it points to.

    The message is for the administrator: it names what is wrong, and is shown without a traceback.
    """


class Away(Exception):
    """Something outside is not there at the moment; the message says what.  It is told in a line, and tried again."""


@contextmanager
def about(key: str) -> Iterator[None]:
    """Begin the message of a :class:`StartError` with the key of the configuration that led to it."""
    try:
        yield
    except StartError as error:
        error.args = (f"{key}: {error}",)
        raise
