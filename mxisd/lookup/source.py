"""What can be asked who is behind an address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ..matrix.threepid import ThreePid


class Unavailable(Exception):
    """A source that cannot be asked at the moment.  The log says so already."""


class Source(Protocol):
    """Something that knows user IDs by address: an identity store, another identity server, a bridge."""

    name: str
    """For the log."""
    local: bool
    """Whether it may be asked at any time: it is of the administrator's own, and nobody else learns the addresses."""

    async def lookup(self, threepids: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        """
        The user IDs that it knows, by address.

        A source by itself may raise anything, and take its time; :class:`~mxisd.lookup.guarded.Guarded` makes one of it
        that raises :class:`Unavailable`, and in time.
        """
        ...
