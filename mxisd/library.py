"""Optional client libraries, imported when a configuration needs them."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class MissingLibrary(Exception):
    """A client library that is not installed; the message says how to."""


def library(name: str, extra: str) -> Any:
    """The module of a name, which comes with an extra of ours.  Raises :class:`MissingLibrary`."""
    try:
        return import_module(name)
    except ImportError:
        raise MissingLibrary(f"the library {name} is not installed: pip install 'mxisd[{extra}]'") from None
