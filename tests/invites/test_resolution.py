"""Pending invites are looked up until they are found or expire."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from mxisd.clock import now
from mxisd.invites.lifecycle import InviteLifecycle
from mxisd.invites.resolution import BATCH, Resolution
from mxisd.lookup.circuit_breaker import CircuitBreaker
from mxisd.matrix.threepid import ThreePid, email
from mxisd.services import PeriodicService
from tests.make import BOB, binding, clock_at, invite, result
from tests.storage.inline import storage_in_memory
from tests.web.app import Bell

# Seconds that a source may take.
TIMEOUT = 30.0
A_MINUTE, WEEK = timedelta(minutes=1), timedelta(days=7)

EXPIRY_USER = "@_mxisd_invite-expired:example.org"


class Book:
    """A source with people in it, which remembers what it was asked."""

    def __init__(self, name: str = "book", local: bool = True) -> None:
        self.name = name
        self.local = local
        self.people: dict[str, str] = {}
        self.asked: list[list[str]] = []
        self.answer: Callable[[], Deferred[None]] | None = None

    async def lookup(self, threepids: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        self.asked.append([threepid.address for threepid in threepids])
        if self.answer is not None:
            await self.answer()
        return {threepid: self.people[threepid.address] for threepid in threepids if threepid.address in self.people}


class ResolutionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = clock_at()
        self.storage = storage_in_memory()
        self.bell = Bell()
        self.numbers = count()
        self.local = Book("local")
        self.remote = Book("remote", local=False)
        self.told = False

    def start(self, *sources: Book, expire_after: timedelta | None = WEEK) -> PeriodicService:
        """Ticks every minute, beginning now."""
        guarded = [CircuitBreaker(source, self.clock, timedelta(seconds=TIMEOUT)) for source in sources]
        lifecycle = InviteLifecycle(self.storage.invites, self.bell, self.clock, EXPIRY_USER)
        resolution = Resolution(
            self.storage.invites,
            self.storage.bindings,
            guarded,
            lifecycle,
            self.clock,
            A_MINUTE,
            expire_after,
            lambda _: self.told,
        )
        timer = PeriodicService("lookup of pending invites", resolution.tick, A_MINUTE, self.clock)
        timer.startService()
        self.addCleanup(_stop, timer)
        return timer

    def invite(self, address: str = "bob@example.com", room: str | None = None, **more: Any) -> str:
        """A new invite's token."""
        token = f"token{next(self.numbers)}"
        kept = invite(
            email(address),
            token=token,
            room_id=room or f"!{token}:example.org",
            created=now(self.clock),
            due=now(self.clock),
            **{"proven": True} | more,
        )
        result(self.storage.invites.add(kept, resend_before=0))
        return token

    def ended(self, token: str) -> tuple[str | None, str | None]:
        """How an invite ended, and to whom."""
        invite = result(self.storage.invites.get(token))
        assert invite is not None
        return invite.ended, invite.user_id

    def onbinds(self, token: str) -> list[tuple[str, str | None]]:
        """Which homeservers are to be told, and of whom."""
        deliveries = result(self.storage.outbox.of_invite(token))
        return [(delivery.destination, delivery.user_id) for delivery in deliveries if delivery.kind == "onbind"]

    def minutes(self, number: int) -> None:
        for _ in range(number):
            self.clock.advance(60)

    # Finding.

    def test_an_address_that_becomes_known_is_resolved_as_if_bound(self) -> None:
        token = self.invite()
        self.start(self.local)
        self.assertEqual(self.ended(token), (None, None))
        self.local.people["bob@example.com"] = "@bob:elsewhere.example"
        self.minutes(1)
        self.assertEqual(self.ended(token), ("resolved", "@bob:elsewhere.example"))
        self.assertEqual(self.onbinds(token), [("elsewhere.example", "@bob:elsewhere.example")])
        self.assertEqual(self.bell.rung, 1)
        self.minutes(5)
        self.assertEqual(len(self.local.asked), 2)

    def test_a_binding_made_while_the_invite_was_on_its_way_counts(self) -> None:
        bound = binding(email("bob@example.com"), BOB)
        result(self.storage.bindings.bind(bound, "example.org"))
        token = self.invite()
        self.start(self.local)
        self.assertEqual(self.ended(token), ("resolved", "@bob:example.org"))
        self.assertEqual(self.local.asked, [])

    def test_every_room_of_an_address_and_no_other_address(self) -> None:
        tokens = [self.invite(room=f"!{number}:example.org") for number in range(3)]
        other = self.invite("carol@example.com")
        self.local.people["bob@example.com"] = "@bob:example.org"
        self.start(self.local)
        for token in tokens:
            self.assertEqual(self.onbinds(token), [("example.org", "@bob:example.org")])
        self.assertEqual(self.ended(other), (None, None))

    def test_an_address_of_many_rooms_is_asked_for_once(self) -> None:
        for number in range(5):
            self.invite(room=f"!{number}:example.org")
            self.invite("carol@example.com", room=f"!{number}:example.org")
        self.start(self.local)
        self.assertEqual(self.local.asked, [["bob@example.com", "carol@example.com"]])

    def test_many_addresses_in_few_questions(self) -> None:
        for number in range(2 * BATCH + 1):
            self.invite(f"{number:04}@example.com")
        self.start(self.local)
        self.assertEqual([len(asked) for asked in self.local.asked], [BATCH, BATCH, 1])
        self.assertEqual(len({address for asked in self.local.asked for address in asked}), 2 * BATCH + 1)

    def test_what_one_source_knows_the_next_is_not_asked(self) -> None:
        self.invite()
        self.invite("carol@example.com")
        self.local.people["bob@example.com"] = "@bob:example.org"
        second = Book("second")
        self.start(self.local, second)
        self.assertEqual(second.asked, [["carol@example.com"]])

    def test_what_is_no_user_id_is_not_taken(self) -> None:
        token = self.invite()
        self.local.people["bob@example.com"] = "bob"
        second = Book("second")
        second.people["bob@example.com"] = "@bob:example.org"
        self.start(self.local, second)
        self.assertEqual(self.ended(token), ("resolved", "@bob:example.org"))

    def test_new_invites_are_found_in_the_next_tick(self) -> None:
        self.start(self.local)
        self.clock.advance(59)
        token = self.invite()
        self.local.people["bob@example.com"] = "@bob:example.org"
        self.assertEqual(self.ended(token), (None, None))
        self.clock.advance(1)
        self.assertEqual(self.ended(token)[0], "resolved")

    # Sources that fail.

    def test_a_broken_source_is_passed_over(self) -> None:
        tokens = [self.invite(f"{number:04}@example.com") for number in range(BATCH + 1)]
        broken = Book("broken")
        broken.answer = _raise
        self.local.people["1000@example.com"] = "@bob:example.org"
        self.start(broken, self.local)
        self.assertEqual(self.ended(tokens[-1])[0], "resolved")
        # Not for each batch again, but in the next tick.
        self.assertEqual(len(broken.asked), 1)
        self.minutes(1)
        self.assertEqual(len(broken.asked), 2)

    def test_a_slow_source_is_not_waited_for_long(self) -> None:
        token = self.invite()
        slow = Book("slow")
        cancelled: list[Deferred[None]] = []
        slow.answer = lambda: Deferred(cancelled.append)
        self.start(slow, self.local)
        self.local.people["bob@example.com"] = "@bob:example.org"
        self.clock.advance(TIMEOUT - 1)
        self.assertEqual(self.ended(token), (None, None))
        self.clock.advance(1)
        self.assertEqual(self.ended(token)[0], "resolved")
        self.assertEqual(len(cancelled), 1)

    def test_ticks_do_not_overlap(self) -> None:
        self.invite()
        waiting: list[Deferred[None]] = []
        slow = [Book(f"slow{number}") for number in range(5)]
        for book in slow:
            book.answer = lambda: waiting.append(Deferred()) or waiting[-1]  # type: ignore[func-returns-value]
        self.start(*slow)
        for _ in range(5 * 30):
            self.clock.advance(1)
            self.assertLessEqual(sum(not each.called for each in waiting), 1)
        self.assertEqual([len(book.asked) for book in slow], [1] * 5)
        self.minutes(1)
        self.assertEqual(len(slow[0].asked), 2)

    def test_a_store_that_is_away_ends_a_tick_and_not_the_ticks(self) -> None:
        self.invite()
        users_of = self.storage.bindings.users_of
        self.storage.bindings.users_of = _raise  # type: ignore[assignment,method-assign]
        self.start(self.local)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.storage.bindings.users_of = users_of  # type: ignore[method-assign]
        self.minutes(1)
        self.assertEqual(self.local.asked, [["bob@example.com"]])

    def test_what_a_dead_process_had_taken_is_due_in_the_next_tick(self) -> None:
        token = self.invite()
        stuck = Book("stuck")
        stuck.answer = Deferred
        self.start(stuck).stopService()
        self.start(self.local)
        self.assertEqual(self.local.asked, [])
        self.local.people["bob@example.com"] = "@bob:example.org"
        self.minutes(1)
        self.assertEqual(self.ended(token)[0], "resolved")

    def test_processes_share_the_work(self) -> None:
        self.invite()
        other = Book("other")
        self.start(self.local)
        self.start(other)
        self.minutes(10)
        self.assertEqual(len(self.local.asked) + len(other.asked), 11)

    # Others than our own sources.

    def test_remote_sources_are_asked_less_and_less_often(self) -> None:
        self.invite()
        self.start(self.local, self.remote)
        times = []
        for minute in range(60 * 4):
            before = len(self.remote.asked)
            self.minutes(1)
            if len(self.remote.asked) > before:
                times.append(minute + 1)
        self.assertEqual(times, [1, 3, 7, 15, 31, 63, 123, 183])
        self.assertEqual(len(self.local.asked), 60 * 4 + 1)

    def test_each_invite_has_a_pace_of_its_own(self) -> None:
        self.invite()
        self.start(self.local, self.remote)
        self.minutes(20)
        self.remote.asked.clear()
        self.invite("carol@example.com")
        self.minutes(1)
        self.assertEqual(self.remote.asked, [["carol@example.com"]])

    def test_what_we_know_ourselves_nobody_else_is_asked(self) -> None:
        self.invite()
        self.local.people["bob@example.com"] = "@bob:example.org"
        self.start(self.remote, self.local)
        self.assertEqual(self.remote.asked, [])

    def test_a_remote_source_may_know(self) -> None:
        token = self.invite()
        self.remote.people["bob@example.com"] = "@bob:elsewhere.example"
        self.start(self.local, self.remote)
        self.assertEqual(self.ended(token), ("resolved", "@bob:elsewhere.example"))

    def test_what_is_known_here_does_not_wait_for_others(self) -> None:
        for number in range(2 * BATCH):
            self.invite(f"{number:04}@silent.example")
        token = self.invite("zoe@example.com")
        self.local.people["zoe@example.com"] = "@zoe:example.org"
        self.remote.answer = Deferred
        self.start(self.local, self.remote)
        self.assertEqual(self.ended(token)[0], "resolved")

    def test_senders_take_turns_with_other_servers(self) -> None:
        for number in range(3 * BATCH):
            self.invite(f"{number:04}@silent.example", sender="@eve:example.org")
        for number in range(30):
            self.invite(f"{number:04}@quiet.example", sender=f"@eve{number}:many.example")
        token = self.invite("zoe@else.example", sender="@bob:example.org")
        self.remote.people["zoe@else.example"] = "@zoe:else.example"
        silent: list[Deferred[None]] = []

        def answer() -> Deferred[None]:
            if self.remote.asked[-1] == ["zoe@else.example"]:
                return succeed(None)
            silent.append(Deferred())
            return silent[-1]

        self.remote.answer = answer
        self.start(self.local, self.remote)
        self.assertEqual(self.ended(token)[0], "resolved")
        self.assertEqual(len(silent), 8)

    def test_what_anybody_may_have_sent_comes_last(self) -> None:
        for number in range(20):
            self.invite(f"{number:04}@silent.example", sender=f"@fake{number}:example.org", proven=False)
        self.invite("zoe@else.example", sender="@bob:example.org")
        self.remote.answer = Deferred
        self.start(self.local, self.remote)
        self.assertEqual(self.remote.asked[0], ["zoe@else.example"])

    def test_other_servers_do_not_keep_a_tick_from_its_end(self) -> None:
        token = self.invite()
        self.remote.answer = Deferred
        self.start(self.local, self.remote, expire_after=A_MINUTE)
        self.minutes(2)
        self.assertEqual(self.ended(token)[0], "expired")

    # The end of the time.

    def test_expires_after_its_time_and_not_before(self) -> None:
        token = self.invite()
        self.start(self.local, expire_after=10 * A_MINUTE)
        self.minutes(9)
        self.assertEqual(self.ended(token), (None, None))
        self.minutes(1)
        self.assertEqual(self.ended(token), ("expired", EXPIRY_USER))
        self.assertEqual(self.onbinds(token), [("example.org", EXPIRY_USER)])
        self.assertEqual(self.bell.rung, 1)

    def test_what_is_found_at_the_last_moment_does_not_expire(self) -> None:
        token = self.invite()
        self.start(self.local, expire_after=10 * A_MINUTE)
        self.minutes(9)
        self.local.people["bob@example.com"] = "@bob:example.org"
        self.minutes(1)
        self.assertEqual(self.ended(token), ("resolved", "@bob:example.org"))

    def test_expires_while_sources_are_broken(self) -> None:
        token = self.invite()
        self.local.answer = _raise
        self.start(self.local, expire_after=10 * A_MINUTE)
        self.minutes(10)
        self.assertEqual(self.ended(token)[0], "expired")

    def test_without_expiration_invites_stay(self) -> None:
        token = self.invite()
        self.start(self.local, expire_after=None)
        self.clock.advance(365 * 86400)
        self.assertEqual(self.ended(token), (None, None))
        self.assertEqual(len(self.local.asked), 2)

    def test_each_invite_of_an_address_expires_in_its_own_time(self) -> None:
        first = self.invite(room="!a:example.org")
        self.start(self.local, expire_after=10 * A_MINUTE)
        self.minutes(5)
        second = self.invite(room="!b:example.org")
        self.minutes(5)
        self.assertEqual((self.ended(first)[0], self.ended(second)[0]), ("expired", None))
        self.minutes(5)
        self.assertEqual(self.ended(second)[0], "expired")

    # Those who have joined by the link in the mail.

    def sign(self, token: str, user_id: str = BOB) -> None:
        result(self.storage.invites.sign(token, user_id, now(self.clock), 9))

    def test_who_has_joined_is_not_told_of_by_the_timer(self) -> None:
        token = self.invite()
        self.sign(token)
        self.local.people["bob@example.com"] = BOB
        self.start(self.local)
        self.assertEqual(self.ended(token), ("accepted", BOB))
        self.assertEqual(self.onbinds(token), [])

    def test_but_whoever_else_has_the_address_is(self) -> None:
        token = self.invite()
        self.sign(token, "@carol:example.org")
        self.local.people["bob@example.com"] = BOB
        self.start(self.local)
        self.assertEqual(self.ended(token), ("resolved", BOB))
        self.assertEqual(self.onbinds(token), [("example.org", BOB)])

    def test_what_was_signed_does_not_expire_but_ends_in_time(self) -> None:
        token = self.invite()
        self.sign(token)
        self.start(self.local, expire_after=A_MINUTE)
        self.clock.advance(6 * 86400)
        self.assertEqual(self.ended(token), (None, None))
        self.clock.advance(86400)
        self.assertEqual(self.ended(token), ("accepted", BOB))
        self.assertEqual(self.onbinds(token), [])

    def test_it_ends_where_nothing_expires(self) -> None:
        token = self.invite()
        self.sign(token)
        self.start(self.local, expire_after=None)
        self.clock.advance(7 * 86400)
        self.assertEqual(self.ended(token), ("accepted", BOB))

    def test_the_last_signature_counts(self) -> None:
        token = self.invite()
        self.sign(token, "@carol:example.org")
        self.start(self.local, expire_after=A_MINUTE)
        self.clock.advance(5 * 86400)
        self.sign(token)
        self.clock.advance(6 * 86400)
        self.assertEqual(self.ended(token), (None, None))
        self.clock.advance(86400)
        self.assertEqual(self.ended(token), ("accepted", BOB))

    def test_where_it_is_known_that_nobody_has_joined_it_expires(self) -> None:
        token = self.invite()
        self.told = True
        self.sign(token)
        self.start(self.local, expire_after=A_MINUTE)
        self.clock.advance(6 * 86400)
        self.assertEqual(self.ended(token), (None, None))
        self.clock.advance(86400)
        self.assertEqual(self.ended(token), ("expired", EXPIRY_USER))

    def test_a_message_that_waits_to_be_sent_is_not_sent_any_more(self) -> None:
        token = self.invite()
        self.start(self.local, expire_after=A_MINUTE)
        self.minutes(1)
        (message,) = [each for each in result(self.storage.outbox.of_invite(token)) if each.kind == "message"]
        self.assertEqual(message.state, "abandoned")


def _raise(*_: object) -> Any:
    raise ZeroDivisionError


def _stop(service: PeriodicService) -> None:
    if service.running:
        service.stopService()
