"""Addresses, and the one form in which they are kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mxisd.matrix.hashing import digest, digests
from mxisd.matrix.threepid import (
    EMAIL,
    MSISDN,
    InvalidAddress,
    ThreePid,
    a_labels,
    canonical,
    email,
    fold,
    international,
    phone,
    readable,
    redacted,
    spellings,
    u_labels,
)


class EmailTests(SynchronousTestCase):
    def test_case_is_folded(self) -> None:
        for typed in ("Strauß@Example.org", "STRAUSS@EXAMPLE.ORG", "strauss@example.org"):
            self.assertEqual(email(typed), (EMAIL, "strauss@example.org"))

    def test_intranets(self) -> None:
        for address in ("root@localhost", "a@mail.local", "a@example.test", "a@host.internal", "a@intranet"):
            self.assertEqual(email(address).address, address)

    def test_what_mail_servers_take(self) -> None:
        for address in ("o'neil+tag@example.org", "a.b-c_d@sub.example.org", "josé@example.org", "1@2.example"):
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


# What somebody may type, and whose domain it is.
DOMAINS = (
    ("Example.ORG", "example.org"),
    ("bücher.example", "xn--bcher-kva.example"),
    ("BÜCHER.example", "xn--bcher-kva.example"),
    ("bu\u0308cher.example", "xn--bcher-kva.example"),
    ("XN--BCHER-KVA.Example", "xn--bcher-kva.example"),
    ("straße.example", "xn--strae-oqa.example"),
    ("STRASSE.example", "strasse.example"),
    ("STRAẞE.example", "xn--strae-oqa.example"),
    ("σίτος.example", "xn--kxa6ajbg.example"),
    ("σίτοσ.example", "xn--kxa6akcd.example"),
    ("ΣΊΤΟΣ.example", "xn--kxa6akcd.example"),
    ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
    ("ｅｘａｍｐｌｅ．ｏｒｇ", "example.org"),
    ("exa\u00admple.org", "example.org"),
    ("пример.example", "xn--e1afmkfd.example"),
    ("раypal.example", "xn--ypal-43d9g.example"),
    ("bücher.xn--p1ai", "xn--bcher-kva.xn--p1ai"),
)
NO_DOMAINS = (
    "bücher.example.",
    "bücher.example。",
    "bücher..example",
    "bücher。。example",
    "-bücher.example",
    "bü--cher.example",
    "bü_cher.example",
    "bü cher.example",
    "b＠c.example",
    "a\u200db.example",
    "a\u200cb.example",
    "אa.example",
    "1.אב.example",
    "☃.example",
    "💩.example",
    f"{'ü' * 60}.example",
    ".".join(["ü" * 20] * 12),
    "ü" * 400,
    "xn--a.example",
    "xn--.example",
    "xn--bcher-.example",
    "xn--fi-x.example",
    "xn--n3h.example",
    "xn--strasse-.example",
    "\ud800.example",
)


class DomainTests(SynchronousTestCase):
    def test_a_domain_is_its_a_labels(self) -> None:
        for typed, domain in DOMAINS:
            self.assertEqual(a_labels(typed), domain)
            self.assertEqual(email(f"Anna@{typed}").address, f"anna@{domain}", typed)
            self.assertEqual(fold(EMAIL, f"Anna@{typed}").address, f"anna@{domain}", typed)

    def test_what_is_none_is_refused_and_nobody_elses(self) -> None:
        domains = {domain for _, domain in DOMAINS}
        for typed in (*NO_DOMAINS, "क्\u200dष.example"):
            self.assertRaises(InvalidAddress, email, f"anna@{typed}")
            self.assertNotIn(fold(EMAIL, f"anna@{typed}").address.partition("@")[2], domains)
            self.assertEqual(a_labels(a_labels(typed)), a_labels(typed))

    def test_both_spellings(self) -> None:
        for typed, domain in DOMAINS:
            threepid = email(f"anna@{typed}")
            first, *others = (spelling.address.partition("@")[2] for spelling in spellings(threepid))
            self.assertEqual(first, domain)
            for other in others:
                self.assertEqual(a_labels(other), domain)
            self.assertEqual(bool(others), "xn--" in domain)
            self.assertEqual(fold(EMAIL, readable(threepid)), threepid)
        self.assertEqual(readable(email("anna@xn--strae-oqa.example")), "anna@straße.example")
        self.assertEqual(spellings(ThreePid(MSISDN, "49151")), (ThreePid(MSISDN, "49151"),))
        self.assertEqual(len(spellings(email("xn--bcher-kva@example.org"))), 1)

    def test_both_are_hashed(self) -> None:
        typed = [ThreePid(EMAIL, f"anna@{domain}") for domain in ("xn--bcher-kva.example", "bücher.example")]
        self.assertEqual(digests(typed[0], "pepper"), [digest(each, "pepper") for each in typed])

    @given(st.text() | st.text("aßςΣüıK.。ªx-n\u200d\u0345\u0301אა᾿ſ", max_size=20))
    def test_twice_is_once(self, domain: str) -> None:
        canonical = a_labels(domain)
        self.assertEqual(a_labels(canonical), canonical)
        if canonical.isascii():
            self.assertEqual(a_labels(u_labels(canonical)), canonical)

    @given(st.text())
    def test_folding_twice_is_folding_once(self, address: str) -> None:
        for text in (address, f"a@{address}", f"{address}@b.org"):
            folded = fold(EMAIL, text)
            self.assertEqual(fold(*folded), folded)
            for spelling in spellings(folded):
                self.assertEqual(fold(*spelling), folded)

    def test_characters_are_composed_before_the_at(self) -> None:
        for typed in ("Jose\u0301@example.org", "JOSÉ@example.org", "josé@example.org"):
            self.assertEqual(email(typed).address, "josé@example.org")


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
            ("tel:+49-151-12345678;isub=12;ext=1", None),
            ("tel:0151-12345678;phone-context=+49", None),
            ("tel:12345678;phone-context=+49-151;ext=3", None),
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
            "tel:0151-12345678;phone-context=example.com",
            "tel:+49-151-12345678;phone-context=+49",
            "+" + "1" * 600,
            "+49 151" + " " * 1_000_000 + "12345678",
            "+49 151" + "," * 1_000_000 + "12345678",
            "tel:" + "1" * 1_000_000,
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
        self.assertEqual(redacted(email("alice@xn--bcher-kva.example")), "al…@büc…")
        self.assertEqual(redacted(phone("07700900042", "GB")), "…42")
