"""What can be asked who is behind an address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ..matrix.threepid import ThreePid


class Source(Protocol):
    """Something that knows user IDs by address: an identity store, another identity server, a bridge."""

    name: str
    local: bool
    """Whether it may be asked at any time: it is of the administrator's own, and nobody else learns the addresses."""

    async def lookup(self, threepids: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        """The user IDs that it knows, by address.  May raise anything: the chain goes on without it."""
        ...
