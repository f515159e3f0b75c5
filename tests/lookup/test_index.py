"""The index of hashes: users of identity stores in it, and its peppers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from mxisd.clock import DAY
from mxisd.lookup.index import PORTION, HashIndex
from mxisd.lookup.source import Batch
from mxisd.matrix.hashing import digest
from mxisd.matrix.threepid import ThreePid
from mxisd.storage.records import Pepper
from tests.lookup.book import ALICE, BOB, email
from tests.make import binding, clock_at, result, seeded
from tests.storage.inline import at_once, storage_in_memory

ANNA, BERT, CARL = email("anna"), email("bert"), email("carl")
PERIOD = DAY // 1000
INTERVAL = 600


class People:
    """A store that lists ``people``; it breaks off where there is an exception instead of a user."""

    def __init__(self, people: dict[ThreePid, str]) -> None:
        self.people = people
        self.failure: Exception | None = None
        self.listed = 0

    async def batches(self) -> AsyncIterator[Batch]:
        self.listed += 1
        yield list(self.people.items())
        if self.failure is not None:
            raise self.failure


class IndexTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = clock_at()
        self.storage = storage_in_memory()
        self.staff, self.guests = People({ANNA: ALICE}), People({BERT: BOB})
        self.index = self.made(rotation=timedelta(seconds=PERIOD))

    def made(self, seed: int = 0, **more: Any) -> HashIndex:
        stores = more.pop("stores", [("staff", self.staff), ("guests", self.guests)])
        source = seeded(seed)
        hashes, cooldowns = self.storage.hashes, self.storage.cooldowns
        return HashIndex(
            hashes, cooldowns, stores, at_once, self.clock, source, 20, timedelta(seconds=INTERVAL), **more
        )

    def refresh(self, later: float = 0) -> str:
        """Refresh after some seconds; the current pepper."""
        self.clock.advance(later)
        result(self.index.refresh())
        return self.pepper()

    def pepper(self) -> str:
        return str(result(self.index.current()).pepper)

    def peppers(self) -> list[str]:
        return [pepper.pepper for pepper in result(self.storage.hashes.peppers())]

    def found(self, pepper: str | None = None, threepids: Sequence[ThreePid] = (ANNA, BERT, CARL)) -> Any:
        """The users that are found by hash; ``None`` if the pepper is no good."""
        pepper = self.pepper() if pepper is None else pepper
        digests = {digest(threepid, pepper): threepid for threepid in threepids}
        found = result(self.storage.hashes.find(pepper, list(digests)))
        return None if found is None else {digests[hashed]: user_id for hashed, user_id in found.items()}

    def test_users_of_all_stores_are_found(self) -> None:
        self.refresh()
        self.assertEqual(self.found(), {ANNA: ALICE, BERT: BOB})

    def test_what_changes_in_a_store(self) -> None:
        self.refresh()
        self.staff.people = {CARL: ALICE}
        self.refresh(600)
        self.assertEqual(self.found(), {BERT: BOB, CARL: ALICE})

    def test_the_first_store_counts(self) -> None:
        self.guests.people[ANNA] = BOB
        self.refresh()
        self.assertEqual(self.found()[ANNA], ALICE)

    def test_a_store_that_is_no_more(self) -> None:
        self.refresh()
        self.index = self.made(stores=[("guests", self.guests)])
        self.refresh()
        self.assertEqual(self.found(), {BERT: BOB})

    def test_very_many_in_one_batch(self) -> None:
        many = [email(f"{number}") for number in range(3 * PORTION + 1)]
        self.staff.people = dict.fromkeys(many, ALICE)
        self.refresh()
        self.assertEqual(self.found(threepids=many), self.staff.people)

    def test_there_is_a_pepper_before_stores_are_listed(self) -> None:
        result(self.storage.bindings.bind(binding(CARL, BOB), "example.org"))
        self.assertRegex(self.pepper(), r"^[0-9a-zA-Z_-]{20}$")
        self.assertEqual(self.found(), {CARL: BOB})

    def test_all_who_ask_first_get_the_same_pepper(self) -> None:
        asked = [Deferred.fromCoroutine(self.index.current()) for _ in range(3)]
        self.assertEqual(len({self.successResultOf(each).pepper for each in asked}), 1)

    def test_a_new_pepper_in_time(self) -> None:
        first = self.refresh()
        self.assertEqual(self.refresh(PERIOD - 1), first)
        second = self.refresh(1)
        self.assertNotEqual(second, first)
        for pepper in (first, second):
            self.assertEqual(self.found(pepper), {ANNA: ALICE, BERT: BOB})

    def test_the_one_before_is_good_for_one_more_period(self) -> None:
        first = self.refresh()
        second = self.refresh(PERIOD)
        self.staff.people[CARL] = ALICE
        self.refresh(PERIOD - 1)
        self.assertEqual(self.found(first)[CARL], ALICE)
        third = self.refresh(1)
        self.assertIsNone(self.found(first))
        self.assertEqual(self.peppers(), [third, second])

    def test_no_new_pepper_ever(self) -> None:
        self.index = self.made()
        first = self.refresh()
        self.assertEqual(self.refresh(100 * PERIOD), first)

    def test_a_new_pepper_after_so_many_lookups(self) -> None:
        self.index = self.made(lookups=3)
        first = self.refresh()
        for _ in range(3):
            self.assertEqual(self.refresh(), first)
            self.index.looked_up()
        second = self.refresh()
        self.assertNotEqual(second, first)
        self.assertEqual(self.refresh(), second)

    def test_a_store_that_breaks_off_keeps_what_it_had(self) -> None:
        self.refresh()
        self.staff.people, self.staff.failure = {CARL: ALICE}, ConnectionError("gone")
        self.guests.people = {}
        self.refresh(600)
        self.assertEqual(self.found(), {ANNA: ALICE})
        self.assertEqual(len(self.flushLoggedErrors(ConnectionError)), 1)

    def test_nobody_is_lost_by_a_new_pepper(self) -> None:
        first = self.refresh()
        self.staff.failure = ConnectionError("gone")
        self.assertEqual(self.refresh(PERIOD), first)
        self.assertEqual(self.found(), {ANNA: ALICE, BERT: BOB})
        self.staff.failure = None
        self.assertNotEqual(self.refresh(600), first)
        self.assertEqual(self.found(), {ANNA: ALICE, BERT: BOB})
        self.flushLoggedErrors(ConnectionError)

    def test_no_pepper_is_for_ever(self) -> None:
        first = self.refresh()
        self.staff.failure = ConnectionError("gone")
        self.assertEqual(self.refresh(2 * PERIOD - 1), first)
        self.assertNotEqual(self.refresh(1), first)
        self.assertEqual(self.found(), {BERT: BOB})
        self.flushLoggedErrors(ConnectionError)

    def test_a_store_is_listed_once_for_all_peppers(self) -> None:
        self.refresh()
        self.refresh(PERIOD)
        listed = self.staff.listed
        self.refresh()
        self.assertEqual(self.staff.listed, listed + 1)

    def test_of_several_processes_one_lists_the_stores(self) -> None:
        several = [self.made(seed=seed) for seed in range(3)]
        for index in several:
            result(index.tick())
        self.assertEqual(self.staff.listed, 3)
        for _ in range(4):
            self.clock.advance(INTERVAL - 1)
            for index in several:
                self.clock.advance(1 / 3)
                result(index.tick())
        self.assertEqual(self.staff.listed, 7)

    def test_a_new_process_lists_its_stores_at_once(self) -> None:
        result(self.made(stores=[]).tick())
        self.assertEqual(self.found(), {})
        result(self.made().tick())
        self.assertEqual(self.found(), {ANNA: ALICE, BERT: BOB})

    def test_it_goes_on_after_an_end_in_the_middle(self) -> None:
        first = self.refresh()
        # The process ended when a new pepper was prepared, and not published.
        self.clock.advance(PERIOD)
        result(self.storage.hashes.prepare(Pepper(pepper="left", made_at=0), after=first))
        self.index = self.made(seed=1, rotation=timedelta(seconds=PERIOD))
        second = self.refresh()
        self.assertEqual(self.peppers(), [second, first])
        self.assertEqual(self.found(), {ANNA: ALICE, BERT: BOB})
