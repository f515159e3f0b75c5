"""Who is found by hash because of an invite: as long as a store of ours knows the address."""

from __future__ import annotations

from datetime import timedelta

from twisted.trial.unittest import SynchronousTestCase

from mxisd.lookup.circuit_breaker import CircuitBreaker
from mxisd.lookup.invited import AT_ONCE, LATEST, Invited
from mxisd.lookup.source import Batch, Unavailable
from tests.lookup.book import ALICE, Book, email
from tests.make import clock_at, invite, result
from tests.storage.inline import storage_in_memory


class FoundByInviteTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.storage, self.book = storage_in_memory(), Book({})
        self.invited = Invited(self.storage.invites, [CircuitBreaker(self.book, clock_at(), timedelta(seconds=1))])

    def end(self, name: str, how: str = "resolved", ended_at: int = 1) -> None:
        kept = invite(email(name))
        result(self.storage.invites.add(kept, resend_before=0))
        result(self.storage.invites.end(kept.token, how, ALICE, None, ended_at))  # type: ignore[arg-type]

    def listed(self) -> Batch:
        async def one() -> Batch:
            return [entry async for batch in self.invited.batches() for entry in batch]

        return result(one())

    def test_those_whose_invites_were_resolved_and_whom_a_store_knows(self) -> None:
        for name in ("anna", "bert", "carl"):
            self.book.people[email(name)] = f"@{name}:example.org"
        self.end("anna")
        self.end("anna")
        self.end("bert", "expired")
        self.end("dora")
        self.assertEqual(self.listed(), [(email("anna"), "@anna:example.org")])
        del self.book.people[email("anna")]
        self.assertEqual(self.listed(), [])

    def test_the_latest_only(self) -> None:
        for number in range(LATEST + 1):
            self.book.people[email(f"u{number}")] = ALICE
            self.end(f"u{number}", ended_at=number)
        found = [threepid for threepid, _ in self.listed()]
        self.assertEqual(len(found), LATEST)
        self.assertNotIn(email("u0"), found)

    def test_a_store_is_given_its_time_for_a_few_at_once(self) -> None:
        for number in range(2 * AT_ONCE):
            self.end(f"u{number}", ended_at=number)
        self.listed()
        self.assertEqual([len(asked) for asked in self.book.asked], [AT_ONCE, AT_ONCE])

    def test_a_store_that_is_away_takes_nobody_from_the_index(self) -> None:
        self.end("anna")
        self.book.before = _fail
        with self.assertRaises(Unavailable):
            self.listed()


async def _fail() -> None:
    raise ZeroDivisionError
