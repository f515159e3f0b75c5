"""Addresses, and the one form in which they are kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mxisd.matrix.threepid import EMAIL, MSISDN, InvalidAddress, canonical, email, fold, international, phone, redacted


class EmailTests(SynchronousTestCase):
    def test_case_is_folded(self) -> None:
        for typed in ("Strauß@Example.org", "STRAUSS@EXAMPLE.ORG", "strauss@example.org"):
            self.assertEqual(email(typed), (EMAIL, "strauss@example.org"))

    def test_intranets(self) -> None:
        for address in ("root@localhost", "a@mail.local", "a@example.test", "a@host.internal", "a@intranet"):
            self.assertEqual(email(address).address, address)

    def test_what_mail_servers_take(self) -> None:
        for address in ("o'neil+tag@example.org", "a.b-c_d@sub.example.org", "josé@exämple.org", "1@2.example"):
            self.assertEqual(email(address).address, address)

    @given(st.text("aZßſK.+_-@ \nüİ", max_size=8), st.sampled_from(["b.org", "ß.org", "B", "b..c", "-b.c", "b.c\n"]))
    def test_folding_twice_is_folding_once(self, local: str, domain: str) -> None:
        try:
            threepid = email(f"{local}@{domain}")
        except InvalidAddress:
            return
        self.assertEqual(email(threepid.address), threepid)
        self.assertEqual(fold(EMAIL, f"{local}@{domain}"), threepid)
        self.assertEqual(threepid.address.count("@"), 1)
        self.assertTrue(threepid.address.isprintable())


class PhoneTests(SynchronousTestCase):
    def test_international_form(self) -> None:
        for number, country in (
            ("07700 900001", "GB"),
            ("+44 7700 900001", "GB"),
            ("(07700) 900-001", "GB"),
            ("+447700900001", "DE"),
        ):
            self.assertEqual(phone(number, country), (MSISDN, "447700900001"))

    def test_as_people_type_and_paste_them(self) -> None:
        for number, country in (
            ("0151 12345678", "DE"),
            ("0151 12345678", "de"),
            ("0049 151 12345678", "DE"),
            ("00 49 151 12345678", "FR"),
            ("+4915112345678", None),
            ("+4915112345678", ""),
            ("+4915112345678", "XX"),
            ("+49 151 12345678", "US"),
            ("+49 (0)151 12345678", None),
            ("+49\u00a0151\u202f1234\u20095678", None),
            ("+49\u2010151\u20111234\u20125678", None),
            ("+49\u2013151\u20141234\u20155678", None),
            ("+49/151.1234-5678", None),
            ("\u202a+4915112345678\u202c", None),
            ("\u2066+49 151 12345678\u2069", None),
            ("\u200e0151 12345678\u200f", "DE"),
            ("\ufeff+4915112345678", None),
            ("\uff0b\uff14\uff19\uff11\uff15\uff11\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18", None),
            ("+\u0664\u0669\u0661\u0665\u0661\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668", None),
            ("tel:+49-151-12345678", None),
            ("TEL:+4915112345678", None),
            ("tel:0151-12345678", "DE"),
            ("+49 151 12345678 ext. 12", None),
            ("+49 151 12345678 x12", None),
            ("tel:+49-151-12345678;ext=12", None),
            ("+4915112345678\n", None),
            (" +49 151 12345678 ", None),
        ):
            self.assertEqual(phone(number, country), (MSISDN, "4915112345678"), number)

    def test_places_without_a_plan_of_their_own(self) -> None:
        self.assertEqual(phone("+672 3 12345", "AQ").address, "672312345")
        self.assertEqual(phone("312345", "aq").address, "672312345")

    def test_ranges_reserved_for_tests(self) -> None:
        for number in (
            "+15551234567",
            "+14155550123",
            "+447700900123",
            "+441632960123",
            "+441154960123",
            "+33639981234",
        ):
            self.assertEqual(phone(number).address, number[1:])

    def test_no_numbers(self) -> None:
        for number in (
            "",
            "+",
            "1",
            "0800FLOWERS",
            "1-800-FLOWERS",
            "00000000000",
            "+10000000000",
            "+49000000000",
            "+00000000000",
            "+70000000000000000",
            "5550100",
            "1" * 20,
            "+999123456789",
            "+49 151 12345678; DROP",
            "ext. 12",
            "tel:",
            "+" + "1" * 600,
            "+49 151 12345678 12345678 12345678",
        ):
            self.assertRaises(InvalidAddress, phone, number, "US")

    def test_no_countries(self) -> None:
        for country in ("", None, "XX", "GBR", "001", "GB\n"):
            self.assertRaises(InvalidAddress, phone, "07700 900001", country)

    @given(st.text(max_size=40), st.sampled_from(["DE", "us", "", None, "AQ"]))
    def test_any_text_is_a_number_or_refused(self, text: str, country: str | None) -> None:
        try:
            number = phone(text, country)
        except InvalidAddress:
            return
        self.assertRegex(number.address, r"\A[1-9][0-9]{6,14}\Z")
        self.assertEqual(phone(f"+{number.address}"), number)
        self.assertTrue(international(number).startswith("+"))


class CanonicalTests(SynchronousTestCase):
    def test_by_medium(self) -> None:
        self.assertEqual(canonical("email", "A@B.org"), (EMAIL, "a@b.org"))
        self.assertEqual(canonical("msisdn", "+447700900001"), (MSISDN, "447700900001"))

    def test_refused(self) -> None:
        for medium, address in (
            ("msisdn", "07700900001"),
            ("msisdn", "++447700900001"),
            ("msisdn", "44 7700"),
            ("msisdn", "1" * 16),
            ("telex", "a@b.org"),
            ("EMAIL", "a@b.org"),
            ("email", "a"),
        ):
            self.assertRaises(InvalidAddress, canonical, medium, address)


class RedactedTests(SynchronousTestCase):
    @given(st.emails())
    def test_neither_side_is_shown_whole(self, address: str) -> None:
        local, _, domain = address.partition("@")
        shown_local, at, shown_domain = redacted(fold(EMAIL, address)).partition("@")
        self.assertEqual(at, "@")
        self.assertLess(len(shown_local.rstrip("…")), max(len(local), 1))
        self.assertLess(len(shown_domain.rstrip("…")), len(domain))

    def test_recognisable(self) -> None:
        self.assertEqual(redacted(email("alice@example.org")), "al…@exa…")
        self.assertEqual(redacted(phone("07700900042", "GB")), "…42")
