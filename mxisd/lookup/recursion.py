"""Which clients get recursive lookups, that is answers of other servers too."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from ..net.networks import Network, is_within
from .chain import Lookup

_REMEMBERED = 1000


class Recursion:
    """
    Which lookup is for whom.

    Each address that is looked up is told to other servers: only requesters in the ``allowed`` networks may cause that.
    """

    def __init__(self, here: Lookup, everywhere: Lookup, allowed: Collection[Network]) -> None:
        self.here = here
        """Asks what is ours."""
        self.everywhere = everywhere
        """Asks other servers too."""
        self._allowed = allowed
        self._of = lru_cache(_REMEMBERED)(self._choose)

    def of(self, requester: str) -> Lookup:
        """The lookup for a requester at an IP address; what is no address is in no network."""
        return self._of(requester)

    def _choose(self, requester: str) -> Lookup:
        return self.everywhere if is_within(requester, self._allowed) else self.here
