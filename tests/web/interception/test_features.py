"""What identity stores add is off until somebody has wanted it."""

from __future__ import annotations

from mxisd.stores.stores import Stores
from tests.config.case import ConfigCase
from tests.web.interception.app import InterceptionTestCase
from tests.web.interception.people import PEOPLE

IN_FRONT = "matrix: {domain: example.org, homeserver: {url: 'http://localhost:8008'}}\n"
OVERWRITE = "dns: {overwrite: {homeserver: {client: [{name: example.org, value: 'http://localhost:8008'}]}}}\n"


class FeatureTests(ConfigCase):
    def features(self, text: str) -> tuple[bool, bool, bool]:
        config = self.whole(IN_FRONT + text)
        return config.adds_to_directory, config.adds_to_profiles, config.reads_logins

    def test_to_stand_in_front_is_not_enough(self) -> None:
        self.assertEqual(self.features(""), (False, False, False))

    def test_each_by_its_own_keys(self) -> None:
        for text, features in (
            ("directory: {enabled: true}", (True, False, False)),
            ("directory: {exclude: {threepid: true}}", (True, False, False)),
            ("profile: {enabled: true}", (False, True, False)),
            ("profile: {public: true}", (False, True, False)),
            ("auth: {login: {enabled: true}}", (False, False, True)),
            ("auth: {rewrite: {user: {rules: [{regex: a, medium: b}]}}}", (False, False, True)),
            ("auth: {checkCredentials: {allowedCidr: 127.0.0.1/32}}", (False, False, False)),
            ("directory: {enabled: false, exclude: {threepid: true}}", (False, False, False)),
        ):
            self.assertEqual(self.features(text), features, text)

    def test_all_by_the_key_that_switched_them_on_in_mxisd(self) -> None:
        self.assertEqual(self.features(OVERWRITE), (True, True, True))
        self.assertEqual(self.features(f"{OVERWRITE}profile: {{enabled: false}}"), (True, False, True))


class SwitchedOffTests(InterceptionTestCase):
    features = False
    stores = Stores([PEOPLE])

    def test_requests_are_sent_on_as_they_came(self) -> None:
        for method, path, body in (
            ("POST", "user_directory/search", {"search_term": "carol"}),
            ("GET", "profile/@carol:example.org", None),
            ("GET", "login", None),
            ("POST", "login", {"type": "m.login.password", "identifier": {"type": "m.id.thirdparty"}}),
        ):
            self.homeserver.requests.clear()
            answer = self.request(method, f"/_matrix/client/v3/{path}", body)
            (seen,) = self.homeserver.requests
            self.assertEqual((seen.method, seen.uri), (method, f"/_matrix/client/v3/{path}"))
            self.assertNotIn("Carol", str(answer.body))
