"""All stores together."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from mxisd.matrix.threepid import EMAIL, MSISDN, ThreePid
from mxisd.stores.store import Entry, Profile, Store
from mxisd.stores.stores import StoreFailed, Stores
from tests.make import result

USER = "@jane:example.org"


class Known:
    """Knows one profile, or whatever is asked for, fails."""

    name = "known"
    local = True

    def __init__(self, profile: Profile | None, entries: Sequence[str] = ()) -> None:
        self.profile = profile
        self._entries = entries
        self.passwords: list[str] = []

    def _known(self) -> Profile:
        if self.profile is None:
            raise ConnectionError("the store is away")
        return self.profile

    async def display_name(self, user_id: str) -> str | None:
        return self._known().display_name

    async def threepids(self, user_id: str) -> Sequence[ThreePid]:
        return self._known().threepids

    async def roles(self, user_id: str) -> frozenset[str]:
        return self._known().roles

    async def search_by_name(self, term: str, limit: int) -> Sequence[Entry]:
        return [Entry(user_id, self._known().display_name) for user_id in self._entries]

    async def search_by_threepid(self, term: str, limit: int) -> Sequence[Entry]:
        return await self.search_by_name(term, limit)

    async def authenticate(self, user_id: str, password: str) -> Profile | None:
        self.passwords.append(password)
        return self._known() if password == "right" or self.profile is None else None

    def store(self, name: str) -> Store:
        return Store(name, profiles=self, directory=self, authentication=self)


A = Known(
    Profile(USER, None, (ThreePid(EMAIL, "a@example.org"),), frozenset({"staff"})), ["@a:example.org", "@b:example.org"]
)
B = Known(
    Profile(USER, "Jane", (ThreePid(EMAIL, "a@example.org"), ThreePid(MSISDN, "15550001111")), frozenset({"admin"})),
    ["@b:example.org", "@c:example.org"],
)
BROKEN = Known(None, ["@d:example.org"])


class StoresTests(SynchronousTestCase):
    both = Stores([A.store("a"), Store("nothing"), B.store("b")])
    with_broken = Stores([BROKEN.store("broken"), A.store("a"), B.store("b")])

    def failures(self, count: int) -> None:
        self.assertEqual(len(self.flushLoggedErrors(ConnectionError)), count)

    def test_what_they_know_is_put_together(self) -> None:
        self.assertEqual(result(self.both.roles(USER)), {"staff", "admin"})
        self.assertEqual(result(self.both.display_name(USER)), "Jane")
        self.assertEqual(
            result(self.both.threepids(USER)), (ThreePid(EMAIL, "a@example.org"), ThreePid(MSISDN, "15550001111"))
        )

    def test_each_user_is_found_once_and_the_first_store_counts(self) -> None:
        found = [Entry("@a:example.org"), Entry("@b:example.org"), Entry("@c:example.org", "Jane")]
        self.assertEqual(result(self.both.search_by_name("x", 10)), found)
        self.assertEqual(result(self.both.search_by_threepid("x", 2)), found[:2])

    def test_a_broken_one_is_left_out(self) -> None:
        self.assertEqual(result(self.with_broken.display_name(USER)), "Jane")
        self.assertEqual(len(result(self.with_broken.threepids(USER))), 2)
        self.assertEqual(len(result(self.with_broken.search_by_name("x", 10))), 3)
        self.failures(3)

    def test_roles_are_not_known_without_it(self) -> None:
        self.assertRaises(StoreFailed, result, self.with_broken.roles(USER))
        self.failures(1)

    def test_a_password_is_right_where_one_store_accepts_it(self) -> None:
        self.assertEqual(result(self.with_broken.authenticate(USER, "right")), A.profile)
        self.failures(1)

    def test_a_password_is_not_wrong_while_a_store_is_away(self) -> None:
        self.assertIsNone(result(self.both.authenticate(USER, "wrong")))
        self.assertRaises(StoreFailed, result, self.with_broken.authenticate(USER, "wrong"))
        self.failures(1)

    def test_an_empty_password_is_nobodys(self) -> None:
        store = Known(Profile(USER))
        self.assertIsNone(result(Stores([store.store("a")]).authenticate(USER, "")))
        self.assertEqual(store.passwords, [])
