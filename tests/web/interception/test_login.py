import json

from mxisd.config.interception import AuthRule
from tests.web.interception.app import Addresses, InterceptionTestCase, Response

LOGIN = "/_matrix/client/v3/login"
CAROL = {"type": "m.id.user", "user": "@carol:example.org"}
PASSWORD = {"type": "m.login.password", "password": 'pä\u0000ss"w\\ord', "device_id": "D"}
EMAIL = {"type": "m.id.thirdparty", "medium": "email", "address": "carol@example.com"}


class LoginTestCase(InterceptionTestCase):
    addresses = Addresses(
        {
            ("email", "carol@example.com"): "@carol:example.org",
            ("email", "carol@xn--bcher-kva.example"): "@carol:example.org",
            ("email", "zoe@example.com"): "@zoe:elsewhere.example",
            ("msisdn", "4915112345678"): "@carol:example.org",
            ("com.example.staff", "4711"): "@carol:example.org",
            ("com.example.card", "c-4711"): "@dan:example.org",
        }
    )

    def log_in(self, body: object, path: str = LOGIN) -> Response:
        return self.request("POST", path, body, token=None)

    def sent(self, body: object) -> object:
        """What the homeserver sees of a login."""
        self.homeserver.requests.clear()
        self.assertEqual(self.log_in(body).json, {"ok": True})
        (seen,) = self.homeserver.requests
        self.assertEqual((seen.method, seen.uri, seen.headers["content-type"]), ("POST", LOGIN, ["application/json"]))
        return json.loads(seen.body)


class IdentifierTests(LoginTestCase):
    def test_addresses_become_users(self) -> None:
        for identifier in [
            EMAIL,
            EMAIL | {"address": " Carol@EXAMPLE.com "},
            EMAIL | {"address": "carol@bücher.example"},
            {"type": "m.id.thirdparty", "medium": "msisdn", "address": "+4915112345678"},
            {"type": "m.id.phone", "country": "DE", "phone": "0151 12345678"},
            {"type": "m.id.phone", "country": "DE", "number": "0151/12345678"},
            {"type": "m.id.phone", "country": "US", "phone": "+49 151 12345678"},
        ]:
            self.assertEqual(self.sent(PASSWORD | {"identifier": identifier}), PASSWORD | {"identifier": CAROL})

    def test_and_so_do_those_of_old_clients(self) -> None:
        old = {"medium": "email", "address": "carol@example.com"}
        self.assertEqual(self.sent(PASSWORD | old), PASSWORD | {"identifier": CAROL})

    def test_nothing_stays_that_could_be_taken_for_another_user(self) -> None:
        for more in ({"user": "@dan:example.org"}, {"medium": "email", "address": "dan@example.com"}):
            self.assertEqual(self.sent(PASSWORD | more | {"identifier": EMAIL}), PASSWORD | {"identifier": CAROL})

    def test_what_is_not_known_here_is_for_the_homeserver(self) -> None:
        for body in [
            PASSWORD | {"identifier": EMAIL | {"address": "dan@example.com"}},
            PASSWORD | {"identifier": EMAIL | {"address": "zoe@example.com"}},
            PASSWORD | {"identifier": EMAIL | {"address": ["carol@example.com"]}},
            PASSWORD | {"identifier": {"type": "m.id.phone", "country": "DE", "phone": "call me"}},
            PASSWORD | {"identifier": {"type": "m.id.phone", "country": "DE"}},
            PASSWORD | {"identifier": {"type": "m.id.phone", "country": "XX", "phone": "0151 12345678"}},
            PASSWORD | {"identifier": CAROL},
            PASSWORD | {"identifier": {"type": "m.id.user", "user": "4711"}},
            PASSWORD | {"identifier": {"type": "org.example.id", "user": "carol"}},
            PASSWORD | {"identifier": "carol@example.com"},
            PASSWORD | {"user": "carol@example.com"},
            {"type": "m.login.token", "token": "t"},
            {},
        ]:
            self.assertEqual(self.sent(body), body)

    def test_the_homeserver_gets_addresses_as_they_were_registered(self) -> None:
        typed, registered = ({"address": f"dan@{domain}"} for domain in ("Straße.example", "xn--strae-oqa.example"))
        self.assertEqual(
            self.sent(PASSWORD | {"identifier": EMAIL | typed}), PASSWORD | {"identifier": EMAIL | registered}
        )
        old = PASSWORD | {"medium": "email"}
        self.assertEqual(self.sent(old | typed), old | registered)

    def test_what_can_be_read_in_two_ways_is_refused(self) -> None:
        for body in (b'{"user": "a", "user": "b"}', b"user=carol", b'["user"]', b'{"password": "\\ud800"}'):
            self.assertEqual(self.log_in(body).status, 400, body)
        self.assertEqual(self.homeserver.requests, [])

    def test_both_generations(self) -> None:
        for version in ("r0", "v3"):
            path = LOGIN.replace("v3", version)
            self.log_in(PASSWORD | {"identifier": EMAIL}, path)
            seen = self.homeserver.requests[-1]
            self.assertEqual((seen.uri, json.loads(seen.body)["identifier"]), (path, CAROL))

    def test_the_homeserver_says_which_logins_there_are(self) -> None:
        self.assertEqual(self.request("GET", LOGIN, token=None).json, {"ok": True})
        (seen,) = self.homeserver.requests
        self.assertEqual((seen.method, seen.uri, seen.body), ("GET", LOGIN, b""))


class RuleTests(LoginTestCase):
    rules = (
        AuthRule(regex="[0-9]+", medium="com.example.staff"),
        AuthRule(regex="C-[0-9]+", medium="com.example.card"),
        AuthRule(regex=".+@.+", medium="email"),
        # Comes too late.
        AuthRule(regex="4711", medium="com.example.card"),
    )

    def user(self, name: str) -> object:
        body = self.sent({"type": "m.login.password", "identifier": {"type": "m.id.user", "user": name}})
        assert isinstance(body, dict)
        return body["identifier"]["user"]

    def test_user_names_that_are_addresses(self) -> None:
        for name, user in [
            ("4711", "@carol:example.org"),
            ("carol@example.com", "@carol:example.org"),
            ("c-4711", "@dan:example.org"),
            ("4712", "4712"),
            ("x4711", "x4711"),
            ("4711\n", "4711\n"),
            ("carol", "carol"),
            ("zoe@example.com", "zoe@example.com"),
        ]:
            self.assertEqual(self.user(name), user)

    def test_and_so_do_those_of_old_clients(self) -> None:
        self.assertEqual(self.sent(PASSWORD | {"user": "4711"}), PASSWORD | {"identifier": CAROL})
