"""What every identity store promises, each time on the same people."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from twisted.application.service import IService
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from mxisd.lookup.source import Listing, Source
from mxisd.matrix.threepid import EMAIL, MSISDN, ThreePid
from mxisd.stores.localpart import UserIds
from mxisd.stores.store import Authentication, Directory, Profiles, Store
from tests.stores.people import ALICE, BOB, CAROL, CROWD, DOMAIN, DORA, HOSTILE, LOOKALIKES, PEOPLE, Person

T = TypeVar("T")


class StoreCase(TestCase):
    """
    A store that knows :data:`PEOPLE`; a subclass says how to get at it.

    The classes below are the promises, one for each ability; a test of a store inherits from those that it has to keep.
    """

    async def build(self) -> Store:
        """The store, :meth:`started` if it has to be."""
        raise NotImplementedError

    def started(self, store: Store, *services: IService) -> Store:
        """A store whose services run during the test."""
        for service in services:
            service.startService()
            self.addCleanup(service.stopService)
        return store

    async def setUp(self) -> None:  # type: ignore[override]  # trial waits for it
        self.user_ids = UserIds(DOMAIN)
        self.warnings: list[str] = []
        self.store = await self.build()


class SourceContract(StoreCase):
    """Lookups."""

    many: Sequence[Person] = PEOPLE

    @property
    def source(self) -> Source:
        assert self.store.source is not None
        return self.store.source

    async def test_finds_the_user_behind_each_address(self) -> None:
        for person in (ALICE, BOB, CAROL, DORA):
            for threepid in person.threepids:
                self.assertEqual(await self.source.lookup([threepid]), {threepid: person.user_id})

    async def test_finds_many_at_once_and_none_that_it_does_not_know(self) -> None:
        expected = {threepid: person.user_id for person in self.many for threepid in person.threepids}
        strangers = [ThreePid(EMAIL, f"stranger{number}@crowd.example") for number in range(50)]
        found = await self.source.lookup([*strangers, *expected])
        self.assertEqual(found, expected)

    async def test_knows_nothing_of_strangers_and_other_media(self) -> None:
        for threepid in (
            ThreePid(EMAIL, "nobody@example.org"),
            ThreePid(EMAIL, "lice@example.org"),
            ThreePid(EMAIL, "dora@strasse.example"),
            ThreePid(EMAIL, "4915112345678"),
            ThreePid(MSISDN, "49151123456789"),
            ThreePid(MSISDN, "15112345678"),
            ThreePid(MSISDN, "alice@example.org"),
            ThreePid("org.example.badge", "alice@example.org"),
            ThreePid(EMAIL, ""),
        ):
            self.assertEqual(await self.source.lookup([threepid]), {}, threepid)
        self.assertEqual(await self.source.lookup([]), {})

    async def test_answers_lookups_at_the_same_time(self) -> None:
        asked = [next(iter(person.threepids)) for person in CROWD[:50]]
        found = await together(self.source.lookup([threepid]) for threepid in asked)
        self.assertEqual(found, [{threepid: person.user_id} for threepid, person in zip(asked, CROWD, strict=False)])

    async def test_takes_an_address_for_nothing_else(self) -> None:
        known = ThreePid(EMAIL, "alice@example.org")
        hostile = [ThreePid(medium, text) for text in HOSTILE for medium in (EMAIL, MSISDN, "x.other", text)]
        found = await together(self.source.lookup([threepid]) for threepid in hostile)
        self.assertEqual([threepid for threepid, each in zip(hostile, found, strict=True) if each], [])
        self.assertEqual(await self.source.lookup([*hostile, known]), {known: ALICE.user_id})


class ProfilesContract(StoreCase):
    """Profiles."""

    @property
    def profiles(self) -> Profiles:
        assert self.store.profiles is not None
        return self.store.profiles

    async def test_knows_what_its_users_are_called(self) -> None:
        for person in (ALICE, BOB, CAROL):
            self.assertEqual(await self.profiles.display_name(person.user_id), person.display_name)

    async def test_knows_the_addresses_of_its_users(self) -> None:
        for person in (ALICE, BOB, CAROL, DORA):
            self.assertEqual(sorted(await self.profiles.threepids(person.user_id)), sorted(person.threepids))

    async def test_knows_the_roles_of_its_users(self) -> None:
        for person in (ALICE, BOB, CAROL):
            self.assertEqual(sorted(await self.profiles.roles(person.user_id)), sorted(person.roles))

    async def test_says_nothing_of_others(self) -> None:
        for user_id in (
            f"@nobody:{DOMAIN}",
            "@alice:elsewhere.example",
            f"@alic:{DOMAIN}",
            f"@{DOMAIN}",
            "alice",
            "",
            *(f"@{text}:{DOMAIN}" for text in HOSTILE),
        ):
            self.assertIsNone(await self.profiles.display_name(user_id), user_id)
            self.assertEqual(list(await self.profiles.threepids(user_id)), [], user_id)
            self.assertEqual(list(await self.profiles.roles(user_id)), [], user_id)

    async def test_takes_nobody_for_somebody_else(self) -> None:
        for localpart in LOOKALIKES:
            user_id = f"@{localpart}:{DOMAIN}"
            self.assertEqual(list(await self.profiles.roles(user_id)), [], user_id)
            self.assertIsNone(await self.profiles.display_name(user_id), user_id)
            self.assertEqual(list(await self.profiles.threepids(user_id)), [], user_id)


class DirectoryContract(StoreCase):
    """Searches."""

    @property
    def directory(self) -> Directory:
        assert self.store.directory is not None
        return self.store.directory

    async def test_finds_users_by_a_part_of_their_name(self) -> None:
        for term, person in (("Arnold", ALICE), ("lice Arn", ALICE), ("ALICE", ALICE), ("ob M", BOB)):
            found = await self.directory.search_by_name(term, 10)
            self.assertEqual([(entry.user_id, entry.display_name) for entry in found], [who(person)], term)

    async def test_finds_users_by_a_part_of_their_address(self) -> None:
        for term, person in (("arnold@example", ALICE), ("A.ARN", ALICE), ("bob@", BOB), ("5550001", CAROL)):
            found = await self.directory.search_by_threepid(term, 10)
            self.assertEqual([(entry.user_id, entry.display_name) for entry in found], [who(person)], term)

    async def test_finds_what_looks_like_syntax(self) -> None:
        for term in ("O'Carol", "(Ann)", "\\ 1", "Carol (Ann) \\ 100%"):
            found = await self.directory.search_by_name(term, 10)
            self.assertEqual([entry.user_id for entry in found], [CAROL.user_id], term)

    async def test_finds_no_more_than_it_should(self) -> None:
        self.assertEqual(len(await self.directory.search_by_name("User", 7)), 7)
        self.assertEqual(len(await self.directory.search_by_threepid("crowd", 7)), 7)
        self.assertEqual(await self.directory.search_by_name("nobody", 7), [])

    async def test_takes_a_term_for_nothing_else(self) -> None:
        for term in HOSTILE:
            # Carol is called what would be dangerous.
            if term in {"\\", "%"}:
                continue
            self.assertEqual(await self.directory.search_by_name(term, 10), [], term)
            self.assertEqual(await self.directory.search_by_threepid(term, 10), [], term)


class ListingContract(StoreCase):
    """Listing."""

    @property
    def listing(self) -> Listing:
        assert self.store.listing is not None
        return self.store.listing

    async def test_lists_every_address(self) -> None:
        listed = [pair async for batch in self.listing.batches() for pair in batch]
        expected = [(threepid, person.user_id) for person in PEOPLE for threepid in person.threepids]
        self.assertEqual(sorted(listed), sorted(expected))


class AuthenticationContract(StoreCase):
    """Passwords."""

    @property
    def authentication(self) -> Authentication:
        assert self.store.authentication is not None
        return self.store.authentication

    async def test_accepts_the_right_password_and_tells_the_profile(self) -> None:
        for person in (ALICE, BOB, CAROL):
            profile = await self.authentication.authenticate(person.user_id, person.password)
            assert profile is not None
            self.assertEqual((profile.user_id, profile.display_name), who(person))
            self.assertEqual(set(profile.threepids), person.threepids)

    async def test_accepts_no_other_password(self) -> None:
        for password in ("", "wrong", ALICE.password + " ", ALICE.password.upper(), *HOSTILE):
            self.assertIsNone(await self.authentication.authenticate(ALICE.user_id, password), password)

    async def test_accepts_no_other_user(self) -> None:
        for user_id in (
            f"@nobody:{DOMAIN}",
            "@alice:elsewhere.example",
            *(f"@{text}:{DOMAIN}" for text in (*HOSTILE, *LOOKALIKES)),
        ):
            self.assertIsNone(await self.authentication.authenticate(user_id, ALICE.password), user_id)


def who(person: Person) -> tuple[str, str | None]:
    """What a search shows of a person."""
    return person.user_id, person.display_name


async def together(calls: Iterable[Coroutine[Deferred[Any], Any, T]]) -> list[T]:
    """What coroutines return that are all begun before any has ended."""
    begun: list[Deferred[T]] = [Deferred.fromCoroutine(each) for each in calls]
    return list(await gatherResults(begun, consumeErrors=True))
