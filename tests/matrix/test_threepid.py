"""Addresses, and the one form in which they are kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mxisd.matrix.threepid import EMAIL, MSISDN, InvalidAddress, canonical, email, fold, phone, redacted, spellings


class Email(SynchronousTestCase):
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


class Phone(SynchronousTestCase):
    def test_international_form(self) -> None:
        for number, country in (
            ("07700 900001", "GB"),
            ("+44 7700 900001", "GB"),
            ("(07700) 900-001", "GB"),
            ("+447700900001", "DE"),
        ):
            self.assertEqual(phone(number, country), (MSISDN, "447700900001"))

    def test_no_numbers(self) -> None:
        for number in ("", "+", "1", "0800FLOWERS", "٠٧٧٠٠", "07700\n900001", "5550100", "1" * 20, "+999123456789"):
            self.assertRaises(InvalidAddress, phone, number, "US")

    def test_no_countries(self) -> None:
        for country in ("", "XX", "gb", "GBR", "001", "GB\n"):
            self.assertRaises(InvalidAddress, phone, "07700 900001", country)


class Canonical(SynchronousTestCase):
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


class Spellings(SynchronousTestCase):
    def test_domains_of_two_forms(self) -> None:
        both = {"anna@bücher.example", "anna@xn--bcher-kva.example"}
        for address in both:
            self.assertEqual(spellings(email(address)), both)

    def test_all_others_have_one(self) -> None:
        for threepid in (email("jürgen@example.org"), email("a@localhost"), fold("msisdn", "+4915112345678")):
            self.assertEqual(spellings(threepid), {threepid.address})
        self.assertEqual(spellings(fold("email", "no address@bücher.example")), {"no address@bücher.example"})


class Redacted(SynchronousTestCase):
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
