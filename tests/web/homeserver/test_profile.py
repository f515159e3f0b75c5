from __future__ import annotations

import json

from mxisd.stores.stores import Stores
from tests.web.interception.app import InterceptionTestCase
from tests.web.interception.people import PEOPLE, Failing, broken


class RolesCase(InterceptionTestCase):
    stores = Stores([PEOPLE])

    def ask(self, user: str, peer: str = "127.0.0.1") -> tuple[int, object]:
        """The status and the body of the answer."""
        channel, transport = self.connect(peer)
        channel.dataReceived(f"GET /_matrix-internal/profile/v1/{user} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        status, _, rest = transport.value().partition(b"\r\n")
        return int(status.split()[1]), json.loads(rest.partition(b"\r\n\r\n")[2])


class RolesTests(RolesCase):
    def test_roles_of_a_user(self) -> None:
        for user in ("@carol:example.org", "%40carol%3Aexample.org"):
            self.assertEqual(self.ask(user), (200, {"roles": ["sales", "staff"]}))

    def test_of_nobody_there_are_none(self) -> None:
        for user in ("@nobody:example.org", "carol", "@carol:elsewhere.org"):
            self.assertEqual(self.ask(user), (200, {"roles": []}))

    def test_only_private_networks_may_ask(self) -> None:
        self.assertEqual(self.ask("@carol:example.org", "10.1.2.3")[0], 200)
        status, answer = self.ask("@carol:example.org", "8.8.8.8")
        self.assertEqual(status, 403)
        self.assertNotIn("staff", str(answer))


class BrokenTests(RolesCase):
    stores = Stores([PEOPLE, broken(Failing())])

    def test_roles_that_cannot_be_told_are_not_left_out(self) -> None:
        self.assertEqual(self.ask("@carol:example.org")[0], 503)
        self.flushLoggedErrors(ConnectionError)
