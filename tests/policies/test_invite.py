from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from mxisd.config.invite import IfSender, Policy, Rule
from mxisd.matrix.error import MatrixError
from mxisd.matrix.threepid import ThreePid, email
from mxisd.patterns import glob
from mxisd.policies.invite import Attempt, Decision, InvitePolicy
from mxisd.stores.stores import StoreFailed
from tests.make import result


class Profiles:
    """Roles by user ID; counts how often it is asked."""

    def __init__(self, **roles: set[str]) -> None:
        self._roles = {f"@{name}:example.org": frozenset(found) for name, found in roles.items()}
        self.asked = 0

    async def roles(self, user_id: str) -> frozenset[str]:
        self.asked += 1
        return self._roles.get(user_id, frozenset())


def attempt(
    sender: str = "@alice:example.org",
    address: str | None = "bob@example.com",
    room_id: str | None = "!room:example.org",
) -> Attempt:
    return Attempt(sender, room_id, None if address is None else email(address))


class PolicyTests(SynchronousTestCase):
    def decide(self, policy: Policy, attempt: Attempt, **roles: set[str]) -> Decision:
        return result(InvitePolicy(policy, Profiles(**roles)).decide(attempt))

    def allows(self, policy: Policy, attempt: Attempt, **roles: set[str]) -> bool:
        return self.decide(policy, attempt, **roles).allowed

    def test_everything_passes_without_a_policy_and_no_store_is_asked(self) -> None:
        profiles = Profiles()
        result(InvitePolicy(Policy(), profiles).require(attempt()))
        self.assertEqual(profiles.asked, 0)

    def test_one_of_the_roles_is_enough(self) -> None:
        policy = Policy(if_sender=IfSender(has_role=("staff", "admin")))
        self.assertTrue(self.allows(policy, attempt(), alice={"users", "admin"}))
        self.assertFalse(self.allows(policy, attempt(), alice={"users"}))
        self.assertFalse(self.allows(policy, attempt()))

    def test_an_empty_list_of_roles_is_nobodys(self) -> None:
        policy = Policy(if_sender=IfSender(has_role=()), rules=(Rule(action="allow"),))
        decision = self.decide(policy, attempt(), alice={"staff"})
        self.assertFalse(decision.allowed)
        self.assertEqual(decision.steps, ("ifSender.hasRole: refused, since the list is empty",))

    def test_the_refusal_is_forbidden(self) -> None:
        policy = InvitePolicy(Policy(if_sender=IfSender(has_role=("staff",))), Profiles())
        error = self.assertRaises(MatrixError, result, policy.require(attempt()))
        self.assertEqual((error.status, error.errcode), (403, "M_FORBIDDEN"))

    def test_of_several_invites_each_is_judged_and_the_roles_are_asked_once(self) -> None:
        profiles = Profiles(alice={"staff"})
        rules = (Rule(action="deny", role=("staff",), address=("eve@*",)),)
        policy = InvitePolicy(Policy(rules=rules), profiles)
        result(policy.require(*[attempt()] * 100))
        self.assertEqual(profiles.asked, 1)
        refused = Deferred.fromCoroutine(policy.require(attempt(), attempt(address="eve@example.com")))
        self.failureResultOf(refused, MatrixError)

    def test_no_rule_lifts_the_condition_on_every_sender(self) -> None:
        policy = Policy(if_sender=IfSender(has_role=("staff",)), rules=(Rule(action="allow"),))
        self.assertFalse(self.allows(policy, attempt()))

    def test_the_first_rule_that_applies_decides(self) -> None:
        policy = Policy(
            rules=(
                Rule(action="allow", address=("boss@rival.example",)),
                Rule(action="deny", address=("*@rival.example",)),
                Rule(action="allow", role=("sales",)),
                Rule(action="deny"),
            )
        )
        for address, roles, allowed in [
            ("boss@rival.example", set(), True),
            ("clerk@rival.example", {"sales"}, False),
            ("Clerk@Rival.Example", {"sales"}, False),
            ("bob@example.com", {"sales"}, True),
            ("bob@example.com", {"users"}, False),
        ]:
            self.assertEqual(self.allows(policy, attempt(address=address), alice=roles), allowed, address)

    def test_every_condition_is_looked_at(self) -> None:
        for rule, differing in [
            (Rule(action="deny", sender=("@alice:*",)), attempt(sender="@bob:example.org")),
            (Rule(action="deny", server=("Example.org",)), attempt(sender="@alice:example.com")),
            (Rule(action="deny", room=("!room:example.org",)), attempt(room_id="!other:example.org")),
            (Rule(action="deny", medium=("email",)), Attempt("@alice:example.org", None, ThreePid("msisdn", "491"))),
            (Rule(action="deny", address=("bob@*",)), attempt(address="eve@example.com")),
            (Rule(action="deny", role=("x", "users")), attempt(sender="@bob:example.org")),
        ]:
            policy = Policy(rules=(rule,))
            self.assertFalse(self.allows(policy, attempt(), alice={"users"}), rule)
            self.assertTrue(self.allows(policy, differing, alice={"users"}), rule)

    def test_all_conditions_of_a_rule_have_to_hold(self) -> None:
        policy = Policy(rules=(Rule(action="deny", sender=("@alice:*",), address=("*@rival.example",)),))
        self.assertTrue(self.allows(policy, attempt()))
        self.assertFalse(self.allows(policy, attempt(address="bob@rival.example")))

    def test_phone_numbers_may_be_written_with_a_plus(self) -> None:
        policy = Policy(rules=(Rule(action="deny", address=("+49*",)),))
        self.assertFalse(self.allows(policy, Attempt("@a:b", None, ThreePid("msisdn", "4915112345678"))))
        self.assertTrue(self.allows(policy, Attempt("@a:b", None, ThreePid("msisdn", "15112345678"))))

    def test_both_spellings_of_an_internationalised_domain_are_one(self) -> None:
        for pattern in ("*@bücher.example", "*@xn--bcher-kva.example", "*@Bücher.example"):
            policy = Policy(rules=(Rule(action="deny", address=(pattern,)),))
            for address in ("eve@bücher.example", "eve@xn--bcher-kva.example", "eve@BÜCHER.example"):
                self.assertFalse(self.allows(policy, attempt(address=address)), (pattern, address))

    def test_an_address_that_is_kept_back_is_held_against_the_sender(self) -> None:
        unknown = attempt(address=None)
        self.assertFalse(self.allows(Policy(rules=(Rule(action="deny", address=("*@rival.example",)),)), unknown))
        self.assertFalse(
            self.allows(Policy(rules=(Rule(action="allow", medium=("email",)), Rule(action="deny"))), unknown)
        )
        self.assertTrue(self.allows(Policy(rules=(Rule(action="allow", sender=("@alice:*",)),)), unknown))

    def test_a_room_to_be_created_is_no_room_yet(self) -> None:
        new = attempt(room_id=None)
        self.assertTrue(self.allows(Policy(rules=(Rule(action="deny", room=("!room:*",)),)), new))
        self.assertFalse(self.allows(Policy(rules=(Rule(action="deny", room=("*",)),)), new))

    def test_the_decision_tells_its_steps(self) -> None:
        policy = Policy(
            if_sender=IfSender(has_role=("staff",)),
            rules=(Rule(action="allow", room=("!lobby:*",)), Rule(action="deny", address=("*@example.com",))),
        )
        self.assertEqual(
            self.decide(policy, attempt(), alice={"staff", "users"}).steps,
            (
                "the sender's roles: staff, users",
                "ifSender.hasRole: the sender has one of staff",
                "rule 1 (allow): does not apply, since the room matches none of !lobby:*",
                "rule 2 (deny): applies",
            ),
        )

    def test_a_store_that_fails_lets_nobody_pass(self) -> None:
        class Failing:
            async def roles(self, user_id: str) -> frozenset[str]:
                raise StoreFailed("ldap")

        policy = InvitePolicy(Policy(if_sender=IfSender(has_role=("staff",))), Failing())
        error = self.assertRaises(MatrixError, result, policy.require(attempt()))
        self.assertEqual(error.status, 503)


class GlobTests(SynchronousTestCase):
    def test_whole_strings(self) -> None:
        for pattern, text, matches in [
            ("", "", True),
            ("", "a", False),
            ("*", "", True),
            ("*", "anything", True),
            ("a*", "ab", True),
            ("a*", "ba", False),
            ("*b", "ab", True),
            ("a*a", "a", False),
            ("ab*ba", "aba", False),
            ("a*b*c", "a-b-c", True),
            ("a*b*c", "acb", False),
            ("*ab*ab*", "abxab", True),
            ("*ab*ab*", "abab", True),
            ("*ab*ab*", "aba", False),
            ("[a]?", "[a]?", True),
        ]:
            self.assertIs(glob(pattern)(text), matches, (pattern, text))

    @given(st.lists(st.tuples(st.text("ab"), st.text("ab"))), st.text("ab"))
    def test_whatever_stands_for_the_stars(self, parts: list[tuple[str, str]], last: str) -> None:
        pattern = "".join(f"{part}*" for part, _ in parts) + last
        self.assertTrue(glob(pattern)("".join(part + filler for part, filler in parts) + last))

    def test_cannot_be_made_to_run_away(self) -> None:
        self.assertFalse(glob("*a" * 500 + "b")("a" * 100_000))
