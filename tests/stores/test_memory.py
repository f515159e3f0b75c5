"""The ``memory`` store."""

from __future__ import annotations

from mxisd.config.engine.section import Secret
from mxisd.config.stores import MemoryAddress, MemoryUser
from mxisd.matrix.threepid import EMAIL, ThreePid
from mxisd.stores.memory import MemoryStore
from mxisd.stores.store import Store
from tests.stores import contract
from tests.stores.people import ALICE, PEOPLE, Person


def configured(person: Person) -> MemoryUser:
    return MemoryUser(
        username=person.name,
        password=Secret(person.password),
        display_name=person.display_name,
        threepids=tuple(MemoryAddress(medium=medium, address=address) for medium, address in person.typed),
        roles=person.roles,
    )


class MemoryTests(
    contract.SourceContract,
    contract.ProfilesContract,
    contract.DirectoryContract,
    contract.ListingContract,
    contract.AuthenticationContract,
):
    async def build(self) -> Store:
        self.memory = MemoryStore([configured(person) for person in PEOPLE], self.user_ids)
        return Store("memory", self.memory, self.memory, self.memory, self.memory, self.memory)

    async def test_knows_others_when_its_users_are_replaced(self) -> None:
        self.memory.replace(
            [MemoryUser(username="zoe", threepids=(MemoryAddress(medium=EMAIL, address="Zoe@example.org"),))]
        )
        asked = [ThreePid(EMAIL, "zoe@example.org"), ThreePid(EMAIL, "alice@example.org")]
        self.assertEqual(await self.memory.lookup(asked), {asked[0]: "@zoe:example.org"})
        self.assertIsNone(await self.memory.authenticate(ALICE.user_id, ALICE.password))

    async def test_gives_an_address_to_the_first_who_claims_it(self) -> None:
        same = (MemoryAddress(medium=EMAIL, address="shared@example.org"),)
        self.memory.replace(
            [MemoryUser(username="first", threepids=same), MemoryUser(username="second", threepids=same)]
        )
        threepid = ThreePid(EMAIL, "shared@example.org")
        self.assertEqual(await self.memory.lookup([threepid]), {threepid: "@first:example.org"})

    async def test_lets_nobody_in_who_has_no_password(self) -> None:
        self.memory.replace([MemoryUser(username="zoe")])
        self.assertIsNone(await self.memory.authenticate("@zoe:example.org", ""))
