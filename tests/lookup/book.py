"""A source with people in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from mxisd.matrix.threepid import ThreePid

ALICE = "@alice:example.org"
BOB = "@bob:example.org"


def email(name: str) -> ThreePid:
    """``anna`` is at example.com, ``anna@example.net`` where it says."""
    return ThreePid("email", name if "@" in name else f"{name}@example.com")


class Book:
    """Knows ``people``; remembers what it was asked; does what ``before`` says first, which may wait, or fail."""

    def __init__(self, people: Mapping[ThreePid, str] | None = None, name: str = "book", local: bool = True) -> None:
        self.people = dict(people or {})
        self.name = name
        self.local = local
        self.asked: list[list[ThreePid]] = []
        self.before: Callable[[], Awaitable[object]] | None = None

    async def lookup(self, threepids: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        self.asked.append(list(threepids))
        if self.before is not None:
            await self.before()
        return {threepid: self.people[threepid] for threepid in threepids if threepid in self.people}
