"""The peppers in use: a script that changes bindings needs the hash of the address under each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...matrix.hashing import digests
from ...matrix.threepid import ThreePid
from ..records import Pepper


class Peppers:
    """A copy of the peppers in use; a script that is called with outdated ones returns the current ones."""

    def __init__(self) -> None:
        self._known: list[str] = []

    def digests(self, threepid: ThreePid) -> list[str]:
        """Each pepper, followed by the hashes of the address under it, with spaces between them."""
        return self.each(lambda pepper: " ".join(digests(threepid, pepper)))

    def each(self, of: Callable[[str], str]) -> list[str]:
        """Each pepper, followed by what is made of it."""
        return [text for pepper in self._known for text in (pepper, of(pepper))]

    def learn(self, entries: Sequence[bytes]) -> None:
        """Take over what a script returned."""
        self._known = [read_pepper(entry).pepper for entry in entries]


def read_pepper(entry: bytes) -> Pepper:
    """Make a pepper of an entry of the list in Redis."""
    made_at, _, pepper = entry.decode().partition(" ")
    return Pepper(pepper=pepper, made_at=int(made_at))
