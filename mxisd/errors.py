"""The one kind of error that stops a start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class StartError(Exception):
    """
    mxisd cannot start with this configuration, or with what it points to.

    The message is for the administrator: it names what is wrong, and is shown without a traceback.
    """


@contextmanager
def about(key: str) -> Iterator[None]:
    """Begin the message of a :class:`StartError` with the key of the configuration that led to it."""
    try:
        yield
    except StartError as error:
        error.args = (f"{key}: {error}",)
        raise
