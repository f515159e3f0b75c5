"""Identity stores: one that knows people, one that fails, and one that says nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NoReturn

from twisted.internet.defer import Deferred

from mxisd.config.engine.section import Secret
from mxisd.config.stores import MemoryAddress, MemoryUser
from mxisd.matrix.threepid import ThreePid
from mxisd.stores.localpart import UserIds
from mxisd.stores.memory import MemoryStore
from mxisd.stores.store import Entry, Profile, Store


class Trouble:
    """Can do all, and answers nothing."""

    async def trouble(self) -> NoReturn:
        raise NotImplementedError

    async def display_name(self, user_id: str) -> str | None:
        return await self.trouble()

    async def threepids(self, user_id: str) -> Collection[ThreePid]:
        return await self.trouble()

    async def roles(self, user_id: str) -> Collection[str]:
        return await self.trouble()

    async def search_by_name(self, term: str, limit: int) -> Sequence[Entry]:
        return await self.trouble()

    async def search_by_threepid(self, term: str, limit: int) -> Sequence[Entry]:
        return await self.trouble()

    async def authenticate(self, user_id: str, password: str) -> Profile | None:
        return await self.trouble()


class Failing(Trouble):
    async def trouble(self) -> NoReturn:
        raise ConnectionError("this store is down")


class Hanging(Trouble):
    async def trouble(self) -> NoReturn:
        await Deferred()
        raise AssertionError("nothing ends this but being cancelled")


MEMORY = MemoryStore(
    [
        MemoryUser(
            username="carol",
            password=Secret("pässword"),
            display_name="Carol Example",
            threepids=(
                MemoryAddress(medium="email", address="Carol@Example.com"),
                MemoryAddress(medium="msisdn", address="+49 151 12345678"),
            ),
            roles=("staff", "sales"),
        ),
        MemoryUser(username="dan", password=Secret("secret"), display_name="Dan Example"),
        MemoryUser(username="erin", threepids=(MemoryAddress(medium="email", address="erin@mail.test"),)),
    ],
    UserIds("example.org"),
)
PEOPLE = Store("people", profiles=MEMORY, directory=MEMORY, authentication=MEMORY)


def broken(trouble: Trouble) -> Store:
    """A store that cannot do what it is there for."""
    return Store("broken", profiles=trouble, directory=trouble, authentication=trouble)
