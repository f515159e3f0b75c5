"""Whoever has no account yet gets no address validated that the policy denies, whichever way is tried."""

from __future__ import annotations

from mxisd.config.interception import Domains, Medium, Patterns, RegisterPolicy
from mxisd.config.invite import Policy as InvitePolicy
from mxisd.web.interception.api import VERSIONS
from tests.web.app import V1, V2
from tests.web.interception.app import InterceptionTestCase, Response

CLIENT = "/_matrix/client/v3"
ROOM = "!room:example.org"
ALICE = "@alice:example.org"
REST = {"client_secret": "s", "send_attempt": 1}
GERMAN = {"country": "DE", "phone_number": "01511 2345678", **REST}
BRITISH = {"country": "GB", "phone_number": "020 7946 0000", **REST}


class NewcomersTestCase(InterceptionTestCase):
    invites = InvitePolicy()
    registrations = RegisterPolicy(
        threepid={
            "email": Medium(domain=Domains(blacklist=("rival.example",), whitelist=("example.org",))),
            "msisdn": Medium(pattern=Patterns(whitelist=("49.*",))),
        }
    )

    def account(self, openid_token: str) -> str:
        """An access token of mxisd."""
        body = {"access_token": openid_token, "token_type": "Bearer", "matrix_server_name": "x", "expires_in": 1}
        return str(self.request("POST", f"{V2}/account/register", body, token=None).json["token"])

    def assert_denied(self, answer: Response, what: object) -> None:
        self.assertEqual((answer.status, answer.json.get("errcode")), (403, "M_THREEPID_DENIED"), what)


class InvitedTests(NewcomersTestCase):
    """Only an invite by one of our users opens the registration, and never what is on the blacklist."""

    def invite(self, address: str) -> dict[str, str]:
        return {"medium": "email", "address": address, "room_id": ROOM, "sender": ALICE}

    def register(self, address: str) -> Response:
        return self.request("POST", f"{CLIENT}/register/email/requestToken", {"email": address, **REST}, token=None)

    def test_no_stranger_opens_it(self) -> None:
        alice, eve = self.account("alices"), self.account("eves")
        for path, token, sender in [
            (V1, None, ALICE),
            (V1, alice, ALICE),
            (V1, None, "@eve:evil.example"),
            (V2, eve, ALICE),
            (V2, eve, "@eve:evil.example"),
            (V2, alice, "@bob:example.org"),
            (V2, None, ALICE),
            (V2, "unknown", ALICE),
        ]:
            for address in ("evil@example.com", "evil@rival.example"):
                self.request("POST", f"{path}/store-invite", self.invite(address) | {"sender": sender}, token=token)
                self.assert_denied(self.register(address), (path, sender, address))
        self.assertEqual(self.homeserver.requests, [])

    def test_our_users_do(self) -> None:
        alice = self.account("alices")
        for address, status in [("bob@example.com", 200), ("bob@rival.example", 403)]:
            self.assertEqual(self.request("POST", f"{V2}/store-invite", self.invite(address), token=alice).status, 200)
            self.assertEqual(self.register(address).status, status)

    def test_so_do_those_whom_the_homeserver_was_let_invite(self) -> None:
        bob = {"medium": "email", "address": "bob@example.com", "id_server": "id.example.org"}
        carol = bob | {"address": "carol@example.com"}
        for method, path, body, address in [
            ("POST", f"{CLIENT}/rooms/{ROOM}/invite", bob, "bob@example.com"),
            ("POST", f"{CLIENT}/createRoom", {"invite_3pid": [carol]}, "carol@example.com"),
        ]:
            for token in (None, "unknown"):
                self.request(method, path, body, token=token)
            self.request("POST", f"{V1}/store-invite", self.invite(address), token=None)
            self.assert_denied(self.register(address), path)
            self.assertEqual(self.request(method, path, body).status, 200)
            self.request("POST", f"{V1}/store-invite", self.invite(address), token=None)
            self.assertEqual(self.register(address).status, 200, path)


class AddingTests(NewcomersTestCase):
    """A session made to add an address to an account serves a registration too."""

    def ask(self, medium: str, body: object, token: str | None, version: str = "v3") -> Response:
        path = f"/_matrix/client/{version}/account/3pid/{medium}/requestToken"
        return self.request("POST", path, body, token=token)

    def test_whoever_shows_no_account_is_a_newcomer(self) -> None:
        for version in VERSIONS:
            for token in (None, "", "unknown", "guests"):
                for medium, body in [
                    ("email", {"email": "bob@example.com", **REST}),
                    ("email", {"email": "bob@rival.example", **REST}),
                    ("msisdn", BRITISH),
                ]:
                    self.assert_denied(self.ask(medium, body, token, version), (version, token, body))
        self.assertEqual(self.homeserver.judged(), [])

    def test_newcomers_may_use_what_the_policy_allows(self) -> None:
        for medium, body in [("email", {"email": "bob@example.org", **REST}), ("msisdn", GERMAN)]:
            for token in (None, "unknown"):
                self.assertEqual(self.ask(medium, body, token).status, 200)

    def test_users_may_add_what_they_like(self) -> None:
        for medium, body in [
            ("email", {"email": "bob@example.com", **REST}),
            ("email", {"email": "bob@rival.example", **REST}),
            ("msisdn", BRITISH),
        ]:
            self.assertEqual(self.ask(medium, body, "alices").status, 200, body)
        self.assertEqual(len(self.homeserver.judged()), 3)

    def test_what_is_no_clear_address_is_refused(self) -> None:
        for medium, body in [
            ("email", {"email": "bob@example.org", "Email": "eve@example.com", **REST}),
            ("email", b'{"email":"bob@example.org","email":"eve@example.com"}'),
            ("email", b""),
            ("msisdn", {"phone_number": "+4915112345678", **REST}),
        ]:
            for token in (None, "alices"):
                self.assertEqual(self.ask(medium, body, token).status, 400, body)
        self.assertEqual(self.ask("pigeon", GERMAN, "alices").status, 404)
        self.assertEqual(self.homeserver.judged(), [])


class PhoneTests(NewcomersTestCase):
    """Homeservers leave the validation of phone numbers to us, by requests without a token."""

    def ask(self, path: str, body: object, token: str | None = None) -> Response:
        return self.request("POST", f"{path}/validate/msisdn/requestToken", body, token=token)

    def test_newcomers_may_use_what_the_policy_allows(self) -> None:
        alice, eve = self.account("alices"), self.account("eves")
        self.assertEqual(self.ask(V1, GERMAN).status, 200)
        # Version 1 reads no token, and who has an account elsewhere has none here.
        for path, token in [(V1, None), (V1, alice), (V2, eve)]:
            self.assert_denied(self.ask(path, BRITISH, token), (path, token))
        self.assertEqual(len(self.mailbox.messages), 1)

    def test_users_may_use_any(self) -> None:
        self.assertEqual(self.ask(V2, BRITISH, self.account("alices")).status, 200)

    def test_users_may_use_any_by_way_of_the_homeserver(self) -> None:
        self.request("POST", f"{CLIENT}/account/3pid/msisdn/requestToken", BRITISH)
        self.assertEqual(self.ask(V1, BRITISH).status, 200)
        # That was for the one request.
        self.assert_denied(self.ask(V1, BRITISH), "again")
        self.request("POST", f"{CLIENT}/account/3pid/msisdn/requestToken", BRITISH)
        self.clock.advance(60)
        self.assert_denied(self.ask(V1, BRITISH), "later")

    def test_email_addresses_are_for_the_homeserver_to_validate(self) -> None:
        body = {"email": "bob@example.com", **REST}
        self.assertEqual(self.request("POST", f"{V1}/validate/email/requestToken", body, token=None).status, 200)
