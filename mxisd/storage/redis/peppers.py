"""The peppers in use, as whoever binds has to know them."""

from __future__ import annotations

from collections.abc import Sequence

from ...matrix.hashing import digest
from ...matrix.threepid import ThreePid
from ..records import Pepper


class Peppers:
    """The peppers in use as far as we know: a script that needs them says when we are behind."""

    def __init__(self) -> None:
        self._known: list[str] = []

    def digests(self, threepid: ThreePid) -> list[str]:
        """Each pepper with the hash of an address under it."""
        return [text for pepper in self._known for text in (pepper, digest(threepid, pepper))]

    def learn(self, entries: Sequence[bytes]) -> None:
        self._known = [read_pepper(entry).pepper for entry in entries]


def read_pepper(entry: bytes) -> Pepper:
    """Make a pepper of what is kept of it."""
    made_at, _, pepper = entry.decode().partition(" ")
    return Pepper(pepper=pepper, made_at=int(made_at))
