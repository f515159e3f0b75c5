"""People of an identity store find each other and log in, with a real Synapse behind a real nginx."""

from __future__ import annotations

import atexit
from functools import cache
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.deployment import Deployment
from tests.integration.matrix_client import CLIENT, MatrixClient, Refused

PEOPLE: dict[str, Any] = {
    "invite": {"policy": {"token": "Synapse's token"}},
    "auth": {"rewrite": {"user": {"rules": [{"regex": "[0-9]+", "medium": "com.example.staff"}]}}},
    "memory": {
        "enabled": True,
        "identities": [
            {
                "username": "carol",
                "password": "pässword",
                "displayName": "Carol Example",
                "threepids": [
                    {"medium": "email", "address": "carol@example.org"},
                    {"medium": "msisdn", "address": "+49 151 12345678"},
                    {"medium": "com.example.staff", "address": "4711"},
                ],
                "roles": ["staff"],
            },
            {"username": "dan", "password": "secret", "displayName": "Dan Example"},
        ],
    },
}
PEOPLE |= {"directory": {"enabled": True}, "profile": {"enabled": True}}
CAROL, DAN = "@carol:matrix.test", "@dan:matrix.test"


@cache
def deployment() -> Deployment:
    """The one of this module."""
    made = Deployment(PEOPLE)
    atexit.register(made.stop)
    return made


class PeopleTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.here = deployment()

    def log_in(self, identifier: dict[str, str], password: str) -> MatrixClient:
        """A client of whom the homeserver lets in."""
        body = {"type": "m.login.password", "identifier": identifier, "password": password}
        answer = self.here.anybody().post(f"{CLIENT}/login", body)
        client = MatrixClient(self.here.url, self.here.ca_file, answer["access_token"])
        self.assertEqual(client.get(f"{CLIENT}/account/whoami")["user_id"], answer["user_id"])
        return client

    def whoever(self, identifier: dict[str, str], password: str = "pässword") -> str:
        return str(self.log_in(identifier, password).get(f"{CLIENT}/account/whoami")["user_id"])


def name(user: str) -> dict[str, str]:
    return {"type": "m.id.user", "user": user}


class LoginTests(PeopleTestCase):
    def test_by_whatever_the_store_knows(self) -> None:
        for identifier in [
            name("carol"),
            name(CAROL),
            name("4711"),
            {"type": "m.id.thirdparty", "medium": "email", "address": "Carol@Example.org"},
            {"type": "m.id.phone", "country": "DE", "phone": "0151 12345678"},
        ]:
            self.assertEqual(self.whoever(identifier), CAROL, identifier)

    def test_wrong_passwords_and_unknown_people_are_not_told_apart(self) -> None:
        answers = []
        for identifier in (name("dan"), name("nobody"), name("4712")):
            with self.assertRaises(Refused) as refused:
                self.log_in(identifier, "wrong")
            answers.append((refused.exception.status, refused.exception.body))
        self.assertEqual(answers[0][0], 403)
        self.assertEqual(answers, answers[:1] * 3)

    def test_those_with_a_password_of_the_homeserver_still_log_in(self) -> None:
        user = self.here.user("local")
        self.assertEqual(self.whoever(name("local"), "a pass phrase"), user.user_id)

    def test_the_account_is_made_of_what_the_store_knows(self) -> None:
        client = self.log_in(name("carol"), "pässword")
        self.assertEqual(client.get(f"{CLIENT}/profile/{CAROL}/displayname"), {"displayname": "Carol Example"})
        (threepid,) = client.get(f"{CLIENT}/account/3pid")["threepids"]
        self.assertEqual((threepid["medium"], threepid["address"]), ("email", "carol@example.org"))

    def test_ways_to_log_in_are_the_homeservers(self) -> None:
        flows = self.here.anybody().get(f"{CLIENT}/login")["flows"]
        self.assertIn("m.login.password", [flow["type"] for flow in flows])


class DirectoryTests(PeopleTestCase):
    def find(self, client: MatrixClient, term: str) -> list[Any]:
        return list(client.post(f"{CLIENT}/user_directory/search", {"search_term": term})["results"])

    def test_people_of_the_store_and_of_the_homeserver(self) -> None:
        searching, public = self.here.user("searching"), self.here.user("example-in-public")
        room = {"preset": "public_chat", "visibility": "public"}
        public.homeserver.post(f"{CLIENT}/createRoom", room)
        for term, found in [
            ("dan", [DAN]),
            ("4915112345678", [CAROL]),
            ("carol@example.org", [CAROL]),
            ("nobody", []),
        ]:
            self.assertEqual([result["user_id"] for result in self.find(searching.homeserver, term)], found)
        together = {result["user_id"] for result in self.find(searching.homeserver, "example")}
        self.assertEqual(together, {CAROL, DAN, public.user_id})

    def test_only_users_search(self) -> None:
        for token in ("", "unknown"):
            stranger = MatrixClient(self.here.url, self.here.ca_file, token)
            with self.assertRaises(Refused) as refused:
                self.find(stranger, "dan")
            self.assertEqual(refused.exception.status, 401)


class ProfileTests(PeopleTestCase):
    def test_users_see_what_the_store_knows(self) -> None:
        client = self.log_in(name("carol"), "pässword")
        # By mxisd itself: the rule for profiles is for the administrator to switch on.
        profile = MatrixClient(self.here.mxisd.url, token=client.token).get(f"{CLIENT}/profile/{CAROL}")
        self.assertEqual((profile["displayname"], profile["roles"]), ("Carol Example", ["staff"]))
        self.assertIn({"medium": "email", "address": "carol@example.org"}, profile["threepids"])
        others = MatrixClient(self.here.mxisd.url).get(f"{CLIENT}/profile/{CAROL}")
        self.assertEqual(others, {"displayname": "Carol Example"})
