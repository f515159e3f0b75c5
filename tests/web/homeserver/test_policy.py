from typing import Any
from urllib.parse import urlencode

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mxisd.config.invite import Policy, Rule
from mxisd.config.rate_limit import RateLimit
from mxisd.limits.limits import RateLimits
from mxisd.matrix.threepid import email
from mxisd.policies.invite import Attempt, InvitePolicy
from mxisd.policies.proofs import Proofs
from mxisd.stores.stores import Stores
from mxisd.web.homeserver.policy import PATH, PolicyEndpoints
from mxisd.web.site import tree
from tests.storage.inline import storage_in_memory
from tests.web.client import Treq

RULES = (Rule(action="deny", address=("*@rival.example",)), Rule(action="deny", room=("!closed:*",)))


class PolicyTests(SynchronousTestCase):
    def setUp(self) -> None:
        policy, clock = InvitePolicy(Policy(rules=RULES), Stores([])), Clock()
        storage = storage_in_memory()
        limits = RateLimits(RateLimit().limits(), storage.buckets, clock, (), "example.org")
        self.proofs = Proofs(storage.cooldowns, limits, clock)
        self.client: Any = Treq(tree(PolicyEndpoints(policy, self.proofs, "secret").endpoints()))

    def is_proven(self, address: str) -> bool:
        attempt = Attempt("@alice:example.org", "!room:example.org", email(address))
        return self.successResultOf(Deferred.fromCoroutine(self.proofs.take_invite(attempt)))

    def ask(self, token: str | None = "secret", **query: str) -> tuple[int, dict[str, object]]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        url = f"http://mxisd{PATH}?{urlencode(query)}"
        response = self.successResultOf(self.client.get(url, headers=headers))
        return response.code, self.successResultOf(response.json())

    def test_invites_count_here_and_not_again(self) -> None:
        asked = {"sender": "@alice:example.org", "medium": "email", "address": "bob@example.com"}
        for number in range(10):
            # Synapse asks twice about an invite that comes with a new room.
            for room in ({}, {"room_id": f"!{number}:example.org"}):
                self.assertEqual(self.ask(**asked, **room)[0], 200, number)
            self.assertTrue(self.is_proven("bob@example.com"))
        status, answer = self.ask(**asked)
        self.assertEqual((status, answer["errcode"]), (429, "M_LIMIT_EXCEEDED"))
        self.assertIn("retry_after_ms", answer)

    def test_says_what_is_allowed_and_why(self) -> None:
        asked = {"sender": "@alice:example.org", "medium": "email"}
        self.assertEqual(
            self.ask(**asked, address="Bob@Rival.example"),
            (200, {"allowed": False, "steps": ["rule 1 (deny): applies"]}),
        )
        status, answer = self.ask(**asked, address="bob@example.com", room_id="!open:example.org")
        self.assertEqual((status, answer["allowed"]), (200, True))
        status, answer = self.ask(**asked, address="bob@example.com", room_id="!closed:example.org")
        self.assertEqual((status, answer["allowed"]), (200, False))

    def test_what_the_homeserver_was_allowed_is_proven_when_it_asks_to_store_it(self) -> None:
        asked = {"sender": "@alice:example.org", "medium": "email", "room_id": "!room:example.org"}
        self.ask(**asked, address="bob@example.com")
        self.ask(**asked, address="bob@rival.example")
        self.ask("wrong", **asked, address="carol@example.com")
        proven = [self.is_proven(address) for address in ("bob@example.com", "bob@rival.example", "carol@example.com")]
        self.assertEqual(proven, [True, False, False])

    def test_takes_json_too_which_keeps_addresses_out_of_logs(self) -> None:
        asked = {"sender": "@alice:example.org", "medium": "email", "address": "bob@rival.example"}
        headers = {"Authorization": "Bearer secret"}
        response = self.successResultOf(self.client.post(f"http://mxisd{PATH}", json=asked, headers=headers))
        self.assertFalse(self.successResultOf(response.json())["allowed"])

    def test_an_event_sent_by_a_client_names_no_address(self) -> None:
        self.assertFalse(self.ask(sender="@alice:example.org")[1]["allowed"])

    def test_tells_nobody_without_the_token(self) -> None:
        for token in (None, "", "wrong", "secret "[:-1] + "x", "sécret"):
            status, answer = self.ask(token, sender="@alice:example.org", medium="email", address="a@example.org")
            self.assertEqual((status, answer["errcode"]), (401, "M_UNAUTHORIZED"), token)

    def test_refuses_what_it_cannot_read(self) -> None:
        for query in (
            {"medium": "email", "address": "a@example.org"},
            {"sender": "alice", "medium": "email", "address": "a@example.org"},
            {"sender": "@alice:example.org", "medium": "email"},
            {"sender": "@alice:example.org", "medium": "email", "address": "a@b@c"},
            {"sender": "@alice:example.org", "address": "a@example.org"},
        ):
            self.assertEqual(self.ask(**query)[0], 400, query)
