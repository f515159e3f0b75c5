"""Who is limited by what, and who is not."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from mxisd.config.rate_limit import RateLimit
from mxisd.limits.limits import RateLimits, Requester, mailbox
from mxisd.matrix.error import MatrixError
from mxisd.matrix.threepid import ThreePid, phone
from mxisd.storage.buckets import Charge
from mxisd.storage.contract import StorageUnavailable
from tests.make import clock_at, result
from tests.storage.inline import storage_in_memory

STRANGER = Requester(None, "192.0.2.1")
HOMESERVER = Requester(None, "10.1.2.3")

Ask = Callable[[int], Coroutine[Any, Any, None]]


def address(number: int, domain: str = "example.com") -> ThreePid:
    return ThreePid("email", f"user{number}@{domain}")


def user(number: int) -> Requester:
    return Requester(f"@user{number}:example.org", "192.0.2.1")


def client(number: int) -> Requester:
    return Requester(None, f"198.51.{number // 250}.{number % 250}")


class LimitsCase(SynchronousTestCase):
    settings = RateLimit(exempt=(ip_network("10.1.2.3/32"),))

    def setUp(self) -> None:
        self.clock = clock_at()
        self.buckets: Any = storage_in_memory().buckets
        self.limits = self.made()

    def made(self) -> RateLimits:
        settings = self.settings
        return RateLimits(settings.limits(), self.buckets, self.clock, settings.exempt, "example.org")

    def refused(self, asked: Coroutine[Any, Any, None]) -> MatrixError | None:
        try:
            result(asked)
        except MatrixError as error:
            return error
        return None

    def allowed(self, ask: Ask, most: int = 3000) -> int:
        """How many of a row of requests get through before the first that does not."""
        return next((number for number in range(most) if self.refused(ask(number))), most)


class EachLimitTests(LimitsCase):
    """Each by itself: whatever else could be reached first is asked for by others, or of others."""

    def test_mail_per_address(self) -> None:
        self.assertEqual(self.allowed(lambda n: self.limits.validation(address(0), user(n))), 5)
        self.assertIsNone(self.refused(self.limits.validation(address(1), user(0))))

    def test_an_address_is_one_in_whatever_spelling(self) -> None:
        spellings = [
            "jane.doe@example.com",
            "janedoe@example.com",
            "jane.doe+1@example.com",
            "j.a.n.e.doe+x+y@example.com",
        ]
        mails = [ThreePid("email", spelling) for spelling in spellings]
        self.assertEqual(self.allowed(lambda n: self.limits.validation(mails[n % 4], user(n))), 5)

    def test_mail_per_client(self) -> None:
        for by in (user(0), STRANGER, Requester(None, "")):
            self.assertEqual(self.allowed(lambda n, by=by: self.limits.validation(address(n, f"{n}.example"), by)), 20)  # type: ignore[misc]

    def test_accounts_of_other_servers_are_as_many_as_somebody_likes(self) -> None:
        def stranger(number: int) -> Requester:
            return Requester(f"@user{number}:{number}.example", "192.0.2.1")

        mails = self.allowed(lambda n: self.limits.validation(address(n, f"{n}.example"), stranger(n)))
        texts = self.allowed(lambda n: self.limits.validation(phone(f"+49151234{n:05}"), stranger(n)))
        lookups = self.allowed(lambda n: self.limits.lookup(1000, stranger(n)))
        self.assertEqual((mails, texts, lookups), (20, 10, 20))
        self.assertIsNone(self.refused(self.limits.lookup(1000, user(0))))
        elsewhere = Requester("@user0:0.example", "198.51.100.1")
        self.assertIsNone(self.refused(self.limits.validation(address(99, "99.example"), elsewhere)))

    def test_mail_per_domain(self) -> None:
        self.assertEqual(self.allowed(lambda n: self.limits.validation(address(n), user(n))), 200)
        self.assertIsNotNone(self.refused(self.limits.invite(address(999), "@a:example.org", user(999))))

    def test_mail_total(self) -> None:
        self.assertEqual(self.allowed(lambda n: self.limits.validation(address(n, f"{n}.example"), user(n))), 1000)

    def test_sms_per_number(self) -> None:
        number = phone("+4915123456789")
        self.assertEqual(self.allowed(lambda n: self.limits.validation(number, user(n))), 5)
        self.clock.advance(3599)
        self.assertIsNotNone(self.refused(self.limits.validation(number, user(9))))
        self.clock.advance(1)
        self.assertIsNone(self.refused(self.limits.validation(number, user(9))))

    def test_sms_per_country(self) -> None:
        germans = [phone(f"+49151234{n:05}") for n in range(60)]
        self.assertEqual(self.allowed(lambda n: self.limits.validation(germans[n], user(n))), 50)
        self.assertIsNone(self.refused(self.limits.validation(phone("+447912345678"), user(99))))

    def test_sms_per_client(self) -> None:
        self.assertEqual(self.allowed(lambda n: self.limits.validation(phone(f"+49151234{n:05}"), STRANGER)), 10)

    def test_sms_total(self) -> None:
        numbers = [ThreePid("msisdn", f"{code}{n:05}") for code in _MOBILE for n in range(40)]
        self.assertEqual(self.allowed(lambda n: self.limits.validation(numbers[n], user(n))), 200)

    def test_invite_per_sender(self) -> None:
        self.assertEqual(self.allowed(lambda n: self.limits.invite(address(n), "@user0:example.org", user(0))), 30)

    def test_invite_per_address(self) -> None:
        self.assertEqual(self.allowed(lambda n: self.limits.invite(address(0), f"@user{n}:example.org", user(n))), 10)

    def test_whoever_claims_to_be_a_sender_takes_nothing_from_them(self) -> None:
        sender = "@user0:example.org"
        self.assertEqual(self.allowed(lambda n: self.limits.invite(address(n), sender, client(n))), 30)
        self.assertIsNone(self.refused(self.limits.invite(address(99), sender, user(0))))

    def test_a_client_without_a_token_is_one_whoever_it_claims_to_be(self) -> None:
        self.assertEqual(self.allowed(lambda n: self.limits.invite(address(n), f"@u{n}:example.org", STRANGER)), 30)

    def test_a_homeserver_invites_for_many(self) -> None:
        asked = self.allowed(lambda n: self.limits.invite(address(n), f"@u{n}:example.org", HOMESERVER), 150)
        self.assertEqual(asked, 150)
        self.assertEqual(self.allowed(lambda n: self.limits.invite(address(n), "@a:example.org", HOMESERVER)), 30)

    def test_mail_about_invites_by_user_id(self) -> None:
        self.assertEqual(self.allowed(lambda n: self.limits.told_of_invite(address(0), f"@user{n}:example.org")), 5)
        self.assertEqual(self.allowed(lambda n: self.limits.told_of_invite(address(n + 1), "@a:example.org")), 30)

    def test_lookup(self) -> None:
        for by in (user(0), STRANGER):
            self.assertEqual(self.allowed(lambda _, by=by: self.limits.lookup(1000, by)), 20)  # type: ignore[misc]
            self.clock.advance(5)
            self.assertEqual(self.allowed(lambda _, by=by: self.limits.lookup(100, by)), 10)  # type: ignore[misc]

    def test_lookups_of_nothing_are_free(self) -> None:
        self.assertEqual(self.allowed(lambda _: self.limits.lookup(0, STRANGER)), 3000)

    def test_no_lookup_is_larger_than_what_there_is_at_once(self) -> None:
        error = self.refused(self.limits.lookup(20_001, STRANGER))
        self.assertEqual(error and error.errcode, "M_INVALID_PARAM")

    def test_register_by_client(self) -> None:
        self.assertEqual(self.allowed(lambda n: self.limits.register(f"{n}.example", STRANGER)), 30)

    def test_register_by_homeserver(self) -> None:
        self.assertEqual(self.allowed(lambda n: self.limits.register("other.example", client(n))), 30)

    def test_our_own_homeserver_is_for_all_its_users(self) -> None:
        self.assertEqual(self.allowed(lambda n: self.limits.register("example.org", client(n))), 3000)

    def test_submit_token(self) -> None:
        self.assertEqual(self.allowed(lambda _: self.limits.submit_token(address(0))), 30)
        self.assertIsNone(self.refused(self.limits.submit_token(ThreePid("msisdn", address(0).address))))


class HowTests(LimitsCase):
    def test_the_error_says_when_to_come_again(self) -> None:
        self.allowed(lambda n: self.limits.validation(address(0), user(n)))
        error = self.refused(self.limits.validation(address(0), user(0)))
        assert error is not None
        self.assertEqual((error.status, error.errcode), (429, "M_LIMIT_EXCEEDED"))
        self.clock.advance(float(str(error.fields["retry_after_ms"])) / 1000)
        self.assertIsNone(self.refused(self.limits.validation(address(0), user(0))))

    def test_what_is_refused_counts_nowhere(self) -> None:
        self.allowed(lambda n: self.limits.validation(address(0), user(n)))
        for _ in range(100):
            self.assertIsNotNone(self.refused(self.limits.validation(address(0), user(0))))
        self.assertEqual(self.allowed(lambda n: self.limits.validation(address(n + 1, f"{n}.example"), user(0))), 19)

    def test_ipv6_by_the_network_that_everybody_has(self) -> None:
        self.assertEqual(
            self.allowed(lambda n: self.limits.register(f"{n}.example", Requester(None, f"2001:db8::{n:x}"))), 30
        )
        self.assertIsNone(self.refused(self.limits.register("a.example", Requester(None, "2001:db8:0:1::1"))))

    def test_processes_share_what_there_is(self) -> None:
        both = [self.limits, self.made()]
        self.assertEqual(self.allowed(lambda n: both[n % 2].validation(address(0), user(n))), 5)

    def test_who_is_exempt_is_limited_by_what_protects_others_only(self) -> None:
        self.assertEqual(self.allowed(lambda n: self.limits.validation(address(n, f"{n}.example"), HOMESERVER)), 1000)
        self.clock.advance(10_000)
        self.assertEqual(self.allowed(lambda _: self.limits.validation(address(0), HOMESERVER)), 5)
        self.assertEqual(self.allowed(lambda _: self.limits.lookup(20_000, HOMESERVER)), 3000)

    def test_a_storage_that_is_away_lets_nobody_through(self) -> None:
        class Away:
            async def take(self, charges: list[Charge], now: int) -> list[int]:
                raise StorageUnavailable("away")

        self.buckets = Away()
        with self.assertRaises(StorageUnavailable):
            result(self.made().lookup(1, STRANGER))

    def test_switched_off(self) -> None:
        self.settings = replace(self.settings, enabled=False)
        limits = self.made()
        self.assertEqual(self.allowed(lambda _: limits.validation(address(0), STRANGER)), 3000)
        self.assertEqual(self.allowed(lambda _: limits.lookup(10**6, STRANGER)), 3000)

    def test_the_log_names_the_limit_and_no_address(self) -> None:
        lines: list[str] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            lines.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        for _ in range(100):
            self.refused(self.limits.validation(address(0), user(0)))
        told = [line for line in lines if "is reached" in line]
        self.assertEqual(told, ["rateLimit.mailPerAddress is reached: @user0:example.org is refused"])
        self.clock.advance(60)
        self.refused(self.limits.validation(address(0), user(0)))
        self.assertEqual(len([line for line in lines if "is reached" in line]), 2)


class PeopleTests(LimitsCase):
    def test_what_five_hundred_people_do_meets_no_limit(self) -> None:
        """In a working day: each validates an address, looks up an address book and invites twenty people."""
        step = timedelta(hours=8).total_seconds() / 500
        for number in range(500):
            by = user(number)
            sender = str(by.account)
            asked = [
                self.limits.register("example.org", client(number)),
                self.limits.validation(address(number, "example.org"), by),
                self.limits.submit_token(address(number, "example.org")),
                self.limits.lookup(1000, by),
                *(self.limits.invite(address(number * 20 + n, f"{n}.example"), sender, by) for n in range(20)),
            ]
            self.assertEqual([self.refused(each) for each in asked], [None] * len(asked))
            self.clock.advance(step)


class NameTests(SynchronousTestCase):
    @given(st.text(), st.text(), st.text())
    def test_a_mailbox_is_what_mail_is_delivered_to(self, local: str, more: str, domain: str) -> None:
        plain = ThreePid("email", f"{local}@{domain}")
        self.assertTrue(mailbox(plain).endswith(f"@{domain.rpartition('@')[2]}"))
        self.assertEqual(
            mailbox(ThreePid("email", f"a+{local}@example.org")), mailbox(ThreePid("email", f".a+{more}@example.org"))
        )


# The beginnings of mobile numbers of several countries.
_MOBILE = ("49151234", "3361234", "4369912", "346123", "39312345", "3165123")
