from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mxisd.matrix.ids import InvalidIdentifier
from mxisd.matrix.threepid import EMAIL, MSISDN, ThreePid
from mxisd.stores.address import findable, kept
from mxisd.stores.localpart import UserIds, mapped, strict, unmapped


class LocalpartTests(SynchronousTestCase):
    def test_names_are_mapped_as_the_specification_suggests(self) -> None:
        for name, localpart in (
            ("jane", "jane"),
            ("Jane.Doe", "jane.doe"),
            ("á", "=c3=a1"),
            ("a#b", "a=23b"),
            ("a=b", "a=3db"),
            ("ann@b.example", "ann=40b.example"),
            ("a/b+c_d-e", "a/b+c_d-e"),
        ):
            self.assertEqual(mapped(name), localpart)
            self.assertEqual(unmapped(localpart), name.lower())

    @settings(deadline=None)
    @given(st.text())
    def test_nothing_but_case_is_lost(self, name: str) -> None:
        localpart = mapped(name)
        self.assertRegex(localpart, re.compile(r"\A[a-z0-9._=/+-]*\Z"))
        self.assertEqual(mapped(unmapped(localpart)), localpart)

    @settings(deadline=None)
    @given(st.text())
    def test_any_localpart_can_be_read(self, localpart: str) -> None:
        unmapped(localpart)

    def test_names_that_are_none_can_be_refused(self) -> None:
        self.assertEqual(strict("jane=2e"), "jane=2e")
        for name in ("Jane", "á", "", "a b", "a\n"):
            with self.assertRaises(InvalidIdentifier):
                strict(name)


class UserIdsTests(SynchronousTestCase):
    user_ids = UserIds("example.org")

    def test_of_names(self) -> None:
        self.assertEqual(self.user_ids.of_name("Ana Fuß"), "@ana=20fu=c3=9f:example.org")
        for name in ("", "x" * 300):
            self.assertIsNone(self.user_ids.of_name(name))
        self.assertIsNone(UserIds("example.org", strict).of_name("Ana"))

    def test_a_name_that_is_a_user_id_stays_one(self) -> None:
        for user_ids in (self.user_ids, UserIds("example.org", strict)):
            self.assertEqual(user_ids.of_name("@John:elsewhere.example"), "@John:elsewhere.example")
            for name in ("@:example.org", "@john:", "@jo\nhn:example.org", "@john:exa mple.org"):
                self.assertIsNone(user_ids.of_name(name), name)
        # Nobody has the profile or the password of such a name by a spelling of it.
        self.assertIsNone(self.user_ids.name_of("@=40john=3aexample.org:example.org"))

    def test_blanks_around_a_user_id_are_of_its_column(self) -> None:
        for name in ("@john:example.org   ", "\n@john:example.org", " @john:example.org\t"):
            self.assertEqual(self.user_ids.of_name(name), "@john:example.org")
            self.assertEqual(self.user_ids.checked(name), "@john:example.org")
        # Around a name they may be somebody's: anybody can call themselves "admin ".
        self.assertEqual(self.user_ids.of_name("admin "), "@admin=20:example.org")

    def test_of_user_ids(self) -> None:
        self.assertEqual(self.user_ids.checked("@Jane:elsewhere.example"), "@Jane:elsewhere.example")
        for user_id in ("jane", "@jane", "@:example.org", "@jane:exa mple.org", "@jane\n:example.org"):
            self.assertIsNone(self.user_ids.checked(user_id))

    def test_only_our_users_have_a_name(self) -> None:
        self.assertEqual(self.user_ids.name_of("@ana=20fu=c3=9f:example.org"), "ana fuß")
        self.assertEqual(UserIds("example.org", strict).name_of("@a=20b:example.org"), "a=20b")
        for user_id in ("@jane:elsewhere.example", "@jane:example.org:8448", "jane", ""):
            self.assertIsNone(self.user_ids.name_of(user_id))

    def test_no_other_spelling_is_somebody(self) -> None:
        """Anybody can register these at a homeserver, and none of them is the administrator."""
        for localpart in (
            "=61dmin",
            "a=64min",
            "=61=64=6d=69=6e",
            "admi=6e",
            "ADMIN",
            "Admin",
            "admin=20",
            "=20admin",
            "admin=0a",
            "admin=00",
            "admin=c2=a0",
            "=41dmin",
            "=3d61dmin=",
            "a=b",
            "admin=c3",
            "admin=C3=A1",
            "=e2=84=aaate",
        ):
            name = self.user_ids.name_of(f"@{localpart}:example.org")
            # What may be decoded comes back as itself.
            self.assertTrue(name is None or mapped(name) == localpart, localpart)
            self.assertNotIn((name or "").strip(), {"admin", "Admin", "ADMIN"}, localpart)

    @settings(deadline=None)
    @given(st.text(alphabet="admin=0123456789abcdefABCDEF /", max_size=12))
    def test_each_name_is_of_one_user(self, localpart: str) -> None:
        user_id = f"@{localpart}:example.org"
        name = self.user_ids.name_of(user_id)
        if name is not None:
            self.assertEqual(self.user_ids.of_name(name), user_id)


class AddressTests(SynchronousTestCase):
    def test_are_compared_in_one_form(self) -> None:
        for address in ("+49 (151) 234-567", "0049151/234.567", "49151234567"):
            self.assertEqual(kept(MSISDN, address), ThreePid(MSISDN, "49151234567"))
        self.assertEqual(kept(EMAIL, " Strauß@Example.org "), ThreePid(EMAIL, "strauss@example.org"))
        self.assertEqual(kept("badge", "A 1"), ThreePid("badge", "a 1"))

    def test_no_control_character_is_asked_for(self) -> None:
        good = ThreePid("badge", "a 1")
        self.assertEqual(findable([ThreePid(EMAIL, "a\0"), ThreePid(EMAIL, ""), good, ThreePid(EMAIL, "a\n")]), [good])
