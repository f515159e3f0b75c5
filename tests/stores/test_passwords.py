from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mxisd.matrix.error import MatrixError
from mxisd.stores.passwords import (
    BEAT,
    FORGOTTEN_AFTER,
    FREE,
    LONGEST_WAIT,
    MAX_USERS,
    TIMEOUT,
    LoginRateLimit,
    Passwords,
)
from mxisd.stores.store import Profile
from mxisd.stores.stores import StoreFailed, Stores
from tests.web.interception.people import PEOPLE, Failing, Hanging, broken

CAROL = "@carol:example.org"


class AttemptsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.attempts = LoginRateLimit(self.clock)

    def wait(self, user: str = CAROL) -> float:
        """Begin an attempt, or say in how many seconds it may be made."""
        try:
            self.attempts.begin(user)
        except MatrixError as error:
            self.assertEqual((error.status, error.errcode), (429, "M_LIMIT_EXCEEDED"))
            left = error.fields["retry_after_ms"]
            assert isinstance(left, int)
            return left / 1000
        return 0

    def test_some_are_free_and_then_the_wait_doubles(self) -> None:
        self.assertEqual([self.wait() for _ in range(FREE)], [0] * FREE)
        for seconds in (1, 2, 4, 8, 16, 32, 60, 60):
            self.assertEqual((self.wait(), self.wait()), (seconds, seconds))
            self.clock.advance(seconds)
            self.assertEqual(self.wait(), 0)

    def test_others_do_not_wait(self) -> None:
        for _ in range(FREE):
            self.wait()
        self.assertEqual((self.wait(), self.wait("@dan:example.org")), (1, 0))

    def test_success_ends_it(self) -> None:
        for _ in range(FREE):
            self.wait()
        self.attempts.succeeded(CAROL)
        self.assertEqual([self.wait() for _ in range(FREE)], [0] * FREE)

    def test_time_ends_it(self) -> None:
        for _ in range(FREE + 3):
            self.wait()
            self.clock.advance(LONGEST_WAIT)
        self.clock.advance(FORGOTTEN_AFTER)
        self.assertEqual([self.wait() for _ in range(FREE)], [0] * FREE)

    def test_the_memory_has_an_end(self) -> None:
        for _ in range(FREE):
            self.wait()
        for number in range(MAX_USERS - 1):
            self.wait(f"@{number}:example.org")
        self.assertEqual(self.wait(), 1)
        self.wait("@one.more:example.org")
        self.assertEqual(self.wait(), 0)


class CredentialsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.use(Stores([PEOPLE]))

    def use(self, stores: Any) -> None:
        self.credentials = Passwords(stores, "example.org", self.clock)

    def check(self, user_id: str, password: str) -> Deferred[Profile | None]:
        return Deferred.fromCoroutine(self.credentials.check(user_id, password))

    def seconds(self, checked: Deferred[Any]) -> float:
        """How long it takes."""
        began = self.clock.seconds()
        while not checked.called:
            self.clock.advance(BEAT / 8)
        return self.clock.seconds() - began

    def test_a_right_password(self) -> None:
        profile = self.successResultOf(self.check(CAROL, "pässword"))
        assert profile is not None
        self.assertEqual((profile.user_id, profile.display_name), (CAROL, "Carol Example"))

    def test_every_no_takes_the_same_time(self) -> None:
        for user_id, password in [
            (CAROL, "secret"),
            (CAROL, ""),
            ("@erin:example.org", ""),
            ("@erin:example.org", "secret"),
            ("@nobody:example.org", "secret"),
            ("@carol:elsewhere.example", "pässword"),
            ("carol", "pässword"),
            ("", ""),
            ("@carol:example.org\n", "pässword"),
        ]:
            checked = self.check(user_id, password)
            self.assertEqual(self.seconds(checked), BEAT, user_id)
            self.assertIsNone(self.successResultOf(checked))

    def test_so_it_does_when_stores_differ_in_speed(self) -> None:
        clock = self.clock

        class Slow:
            """Takes its time for users it knows."""

            async def authenticate(self, user_id: str, password: str) -> Profile | None:
                delay: Deferred[None] = Deferred()
                clock.callLater(BEAT * 0.75 if user_id == CAROL else BEAT * 0.25, delay.callback, None)
                await delay
                return None

        self.use(Slow())
        for user_id in (CAROL, "@nobody:example.org"):
            self.assertEqual(self.seconds(self.check(user_id, "secret")), BEAT)

    def test_guesses_are_slowed_down_whoever_is_meant(self) -> None:
        for user_id in (CAROL, "@nobody:example.org"):
            for _ in range(FREE):
                self.check(user_id, "secret")
            # In capitals too, and although it is the right one now.
            for spelling in (user_id, user_id.replace("o", "O", 1)):
                error = self.failureResultOf(self.check(spelling, "pässword"), MatrixError).value
                self.assertEqual(error.errcode, "M_LIMIT_EXCEEDED")

    def test_those_who_know_their_password_are_not(self) -> None:
        for _ in range(3 * FREE):
            self.assertIsNotNone(self.successResultOf(self.check(CAROL, "pässword")))

    def test_a_store_that_answers_for_another_user_lets_nobody_in(self) -> None:
        class Liberal:
            async def authenticate(self, user_id: str, password: str) -> Profile | None:
                return Profile(CAROL)

        self.use(Liberal())
        for user_id, right in [
            (CAROL, True),
            ("@Carol:example.org", True),
            ("@=63arol:example.org", False),
            ("@ｃarol:example.org", False),
            ("@carol :example.org", False),
        ]:
            checked = self.check(user_id, "any")
            self.clock.advance(BEAT)
            self.assertEqual(self.successResultOf(checked) is not None, right, user_id)


class FailureTests(CredentialsTests):
    """All the above holds while stores fail, except that not every no is a no."""

    def use(self, stores: Any) -> None:
        super().use(Stores([broken(Failing()), PEOPLE]) if isinstance(stores, Stores) else stores)

    def tearDown(self) -> None:
        self.flushLoggedErrors(ConnectionError)

    def test_every_no_takes_the_same_time(self) -> None:
        for user_id in (CAROL, "@nobody:example.org"):
            checked = self.check(user_id, "secret")
            self.assertEqual(self.seconds(checked), BEAT)
            self.failureResultOf(checked, StoreFailed)

    def test_guesses_are_slowed_down_whoever_is_meant(self) -> None:
        for _ in range(FREE):
            self.check(CAROL, "secret").addErrback(lambda failure: None)
        self.failureResultOf(self.check(CAROL, "pässword"), MatrixError)

    def test_a_store_that_says_nothing_is_not_waited_for_forever(self) -> None:
        self.use([])
        super().use(Stores([broken(Hanging()), PEOPLE]))
        checked = self.check(CAROL, "pässword")
        self.assertNoResult(checked)
        self.clock.advance(TIMEOUT)
        self.assertIsNotNone(self.successResultOf(checked))
        self.flushLoggedErrors()
