from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from mxisd.config.interception import Domains, Medium, Patterns, RegisterPolicy
from mxisd.matrix.error import MatrixError
from mxisd.matrix.threepid import ThreePid, email
from mxisd.patterns import Expression, UnusableExpression
from mxisd.policies.registration import RegistrationPolicy, domain
from mxisd.storage.records import Invite
from tests.make import invite, result

# Who has invited an address, and whether it is sure that it was they.
INVITES = {
    "invited@example.com": ("@alice:example.org", True),
    "claimed@example.com": ("@alice:example.org", False),
    "elsewhere@example.com": ("@alice:example.net", True),
}


class Invites:
    """Has a pending invite for some addresses."""

    async def pending(self, threepid: ThreePid) -> list[Invite]:
        if threepid.address not in INVITES:
            return []
        sender, proven = INVITES[threepid.address]
        return [invite(threepid, sender=sender, proven=proven)]


def registrations(policy: RegisterPolicy) -> RegistrationPolicy:
    return RegistrationPolicy(policy, Invites(), "example.org")


class PolicyTests(SynchronousTestCase):
    def allows(self, policy: RegisterPolicy, threepid: ThreePid) -> bool:
        return result(registrations(policy).allows(threepid))

    def test_by_default_the_invited_may_and_nobody_else(self) -> None:
        self.assertTrue(self.allows(RegisterPolicy(), email("invited@example.com")))
        self.assertFalse(self.allows(RegisterPolicy(), email("other@example.com")))
        self.assertFalse(self.allows(RegisterPolicy(invite=False), email("invited@example.com")))

    def test_an_invite_counts_if_one_of_our_users_has_sent_it(self) -> None:
        for address in ("claimed@example.com", "elsewhere@example.com"):
            self.assertFalse(self.allows(RegisterPolicy(), email(address)), address)

    def test_the_refusal_says_that_the_address_is_denied(self) -> None:
        refused = Deferred.fromCoroutine(registrations(RegisterPolicy()).require(email("other@example.com")))
        error = self.failureResultOf(refused, MatrixError).value
        self.assertEqual((error.status, error.errcode), (403, "M_THREEPID_DENIED"))

    def test_the_blacklist_comes_before_the_whitelist_and_both_before_the_default(self) -> None:
        lists = Medium(
            pattern=Patterns(blacklist=(r"spam\d*@.*",), whitelist=(r"[^@]+@partner\.example",)),
            domain=Domains(blacklist=("bad.example.org",), whitelist=("*example.org",)),
        )
        for allowed in (True, False):
            policy = RegisterPolicy(allowed=allowed, threepid={"email": lists})
            for address, expected in [
                ("a@example.org", True),
                ("a@sub.example.org", True),
                ("a@bad.example.org", False),
                ("spam7@example.org", False),
                ("a@partner.example", True),
                ("a@xpartner.example", allowed),
                ("a@elsewhere.example", allowed),
                ("invited@example.com", True),
            ]:
                self.assertEqual(self.allows(policy, email(address)), expected, address)

    def test_a_domain_is_listed_in_any_spelling_and_no_other(self) -> None:
        for pattern in ("straße.example", "*Straße.example", "xn--strae-oqa.example", "STRAẞE.example"):
            policy = RegisterPolicy(threepid={"email": Medium(domain=Domains(whitelist=(pattern,)))})
            for address, expected in [
                ("a@straße.example", True),
                ("a@xn--strae-oqa.example", True),
                ("a@strasse.example", False),
            ]:
                self.assertEqual(self.allows(policy, email(address)), expected, (pattern, address))
        for pattern in (r".*@straße\.example", r".*@xn--strae-oqa\.example"):
            policy = RegisterPolicy(threepid={"email": Medium(pattern=Patterns(whitelist=(pattern,)))})
            self.assertTrue(self.allows(policy, email("a@straße.example")))
            self.assertFalse(self.allows(policy, email("a@strasse.example")))

    def test_no_invite_lifts_the_blacklist(self) -> None:
        for allowed in (True, False):
            for lists in (
                Medium(domain=Domains(blacklist=("example.com",))),
                Medium(pattern=Patterns(blacklist=(".*@example[.]com",), whitelist=(".*",))),
            ):
                policy = RegisterPolicy(allowed=allowed, threepid={"email": lists})
                self.assertFalse(self.allows(policy, email("invited@example.com")))

    def test_each_medium_has_its_own_lists(self) -> None:
        policy = RegisterPolicy(threepid={"msisdn": Medium(pattern=Patterns(whitelist=("49.*",)))})
        self.assertTrue(self.allows(policy, ThreePid("msisdn", "4915112345678")))
        self.assertFalse(self.allows(policy, ThreePid("msisdn", "15112345678")))
        self.assertFalse(self.allows(policy, email("49@example.org")))

    def test_domains_below_and_beside(self) -> None:
        for pattern, itself, below in [
            ("*example.org", True, True),
            (".example.org", False, True),
            ("example.org", True, False),
            ("*.Example.org", True, True),
        ]:
            test = domain(pattern)
            self.assertEqual((test("a@example.org"), test("a@sub.example.org")), (itself, below), pattern)
            self.assertFalse(test("a@evilexample.org"), pattern)
            self.assertFalse(test("example.org@example.net"), pattern)


class ExpressionTests(SynchronousTestCase):
    def test_matches_the_whole_address_in_any_case(self) -> None:
        expression = Expression(r"[a-z]+@Example\.org|root")
        self.assertTrue(expression.matches("alice@example.org"))
        self.assertTrue(expression.matches("root"))
        self.assertFalse(expression.matches("alice@example.org.evil.example"))
        self.assertFalse(expression.matches("x-alice@example.org"))

    def test_reads_what_is_common_in_java(self) -> None:
        for pattern, address in [
            (r"(?i)(?:info|sales)@example\.org", "info@example.org"),
            (r"^\w[\w.+-]*@\p{L}+\.org$", "a.b+c@bücher.org"),
            (r"\Qa[b&&c]\E@x{1,3}", "a[b&&c]@xx"),
            (r"[]a]+@[^]b]+", "]a@c"),
            (r"(?<local>[\[a]+)@x", "[a@x"),
            (r"\p{Alpha}++@[\p{Lower}\d]+\.org", "alice@x1.org"),
            (r"[^@]++@example\.org", "alice@example.org"),
            (r".+@example\.org++", "alice@example.orgggg"),
            (r"\u0061\x{62}\0143@x", "abc@x"),
            (r"a{1,2}+b?+@x", "aa@x"),
        ]:
            self.assertTrue(Expression(pattern).matches(address), pattern)

    def test_refuses_what_it_would_read_otherwise(self) -> None:
        for pattern in (
            "(?=a)b",
            "(?<!a)b",
            r"(a)\1",
            "a++a@x",
            ".*+@x",
            "[^x]++@x",
            "(ab)*+c",
            "(a++)+@x",
            "a++b?a",
            "[α-ω]++[α-ω]@x",
            "(?>a)",
            "(?U)a",
            r"\p{javaLowerCase}",
            r"[\Qa\E]",
            r"\R@x",
            r"\k<local>",
            "[a[bc]]@x",
            "[a-z&&[^b]]+@x",
            "[^]a&&b]",
            "(",
            "a{1,5000}",
        ):
            self.assertRaises(UnusableExpression, Expression, pattern)

    def test_cannot_be_made_to_run_away(self) -> None:
        for pattern in (r"(a+)+@x", r"(a|a)*@x", r"(.*a){20}@x", r"([a-z]+\.?)+@x"):
            self.assertFalse(Expression(pattern).matches("a" * 100_000))
