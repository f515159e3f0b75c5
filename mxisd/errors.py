"""The one kind of error that stops a start."""

from __future__ import annotations


class StartError(Exception):
    """
    mxisd cannot start with this configuration, or with what it points to.

    The message is for the administrator: it names what is wrong, and is shown without a traceback.
    """
