import json

from mxisd.config.interception import Domains, Medium, Patterns, RegisterPolicy
from mxisd.web.interception.api import VERSIONS
from tests.web.interception.app import InterceptionTestCase

REST = {"client_secret": "s", "send_attempt": 1}


def email(address: object) -> dict[str, object]:
    return {"email": address, **REST}


class RegisterTests(InterceptionTestCase):
    registrations = RegisterPolicy(
        threepid={
            "email": Medium(domain=Domains(whitelist=("example.org", "straße.example"))),
            "msisdn": Medium(pattern=Patterns(whitelist=("49.*",))),
        }
    )

    def post(self, medium: str, body: object, version: str = "v3") -> tuple[int, str | None]:
        path = f"/_matrix/client/{version}/register/{medium}/requestToken"
        answer = self.request("POST", path, body, token=None)
        return answer.status, answer.json.get("errcode")

    def test_listed_addresses_pass_by_every_path(self) -> None:
        for version in VERSIONS:
            self.assertEqual(self.post("email", email("Bob@Example.org"), version), (200, None))
        self.assertEqual([json.loads(seen.body) for seen in self.homeserver.requests], [email("bob@example.org")] * 5)

    def test_what_was_judged_is_what_the_homeserver_gets(self) -> None:
        for typed in ("Bob@Straße.example", "bob@xn--strae-oqa.example"):
            self.assertEqual(self.post("email", email(typed)), (200, None))
        for seen in self.homeserver.requests:
            self.assertEqual(json.loads(seen.body), email("bob@xn--strae-oqa.example"))
        self.assertEqual(self.post("email", email("bob@strasse.example")), (403, "M_THREEPID_DENIED"))

    def test_others_are_denied_and_the_homeserver_sees_nothing(self) -> None:
        for version in VERSIONS:
            self.assertEqual(self.post("email", email("bob@example.com"), version), (403, "M_THREEPID_DENIED"))
        self.assertEqual(self.homeserver.requests, [])

    def test_phone_numbers_are_read_as_dialled(self) -> None:
        for country, number, answer in [
            ("DE", "01511 2345678", (200, None)),
            ("US", "+4915112345678", (200, None)),
            ("US", "01511 2345678", (403, "M_THREEPID_DENIED")),
            ("GB", "020 7946 0000", (403, "M_THREEPID_DENIED")),
        ]:
            body = {"country": country, "phone_number": number, **REST}
            self.assertEqual(self.post("msisdn", body)[1] is None, answer[1] is None, body)

    def test_what_is_no_clear_address_is_refused(self) -> None:
        for medium, body in [
            ("email", email("bob@evil@example.org")),
            ("email", email("bob@example.com, bob@example.org")),
            ("email", email(["bob@example.org"])),
            ("email", email("bob@example.org") | {"Email": "eve@example.com"}),
            ("email", b'{"email":"bob@example.org","email":"eve@example.com"}'),
            ("email", REST),
            ("email", b""),
            ("email", b"email=bob@example.org"),
            ("msisdn", {"country": "DE", "phone_number": "call me", **REST}),
            ("msisdn", {"phone_number": "+4915112345678", **REST}),
        ]:
            self.assertEqual(self.post(medium, body)[0], 400, body)
        self.assertEqual(self.post("pigeon", email("bob@example.org")), (404, "M_UNRECOGNIZED"))
        self.assertEqual(self.homeserver.requests, [])
