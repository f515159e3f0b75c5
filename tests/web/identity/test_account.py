"""``account`` and ``terms``."""

from __future__ import annotations

from urllib.parse import urlencode

from mxisd.accounts.accounts import MAX_TOKENS
from mxisd.config.matrix import Term, TermsPolicy
from tests.make import result
from tests.web.app import DOMAIN, V2, AppTestCase, Response

ENGLISH, FRENCH = "https://example.org/terms-en", "https://example.org/terms-fr"
PRIVACY = "https://example.org/privacy"


class AccountTests(AppTestCase):
    def test_register(self) -> None:
        token = self.register("alices")
        self.assertEqual(self.get(f"{V2}/account", token=token).json, {"user_id": "@alice:example.org"})
        self.assertEqual(self.app.homeservers.asked, [(DOMAIN, "alices")])

    def test_wrong_openid_token(self) -> None:
        body = {"access_token": "no", "token_type": "Bearer", "matrix_server_name": DOMAIN, "expires_in": 1}
        self.assert_error(self.post(f"{V2}/account/register", json=body), 401, "M_UNAUTHORIZED")

    def test_what_is_no_server_name_is_not_asked(self) -> None:
        for name in (
            "https://example.org",
            "example.org/path",
            "example.org?x",
            "example.org#x",
            "user@example.org",
            "user:pass@example.org",
            "example.org:0",
            "example.org:65536",
            "example.org:08090",
            "example.org: 80",
            "example.org:",
            "example org",
            "[::1",
            "",
        ):
            body = {"access_token": "t", "token_type": "Bearer", "matrix_server_name": name, "expires_in": 1}
            self.assert_error(self.post(f"{V2}/account/register", json=body), 400, "M_INVALID_PARAM")
        self.assertEqual(self.app.homeservers.asked, [])

    def test_every_parameter_that_is_used_is_required(self) -> None:
        body = {"access_token": "t", "matrix_server_name": DOMAIN}
        for name in body:
            rest = {key: value for key, value in body.items() if key != name}
            answer = self.post(f"{V2}/account/register", json=rest)
            self.assert_error(answer, 400, "M_MISSING_PARAMS")
            self.assertIn(name, answer.json["error"])

    def test_a_token_lives_as_long_as_it_is_used(self) -> None:
        used, unused = self.register(), self.register()
        for _ in range(13):
            self.app.clock.advance(31 * 24 * 3600)
            self.assertEqual(self.get(f"{V2}/account", token=used).status, 200)
        self.assertEqual(result(self.app.parts.accounts.accounts.purge()), 1)
        self.assert_error(self.get(f"{V2}/account", token=unused), 401, "M_UNAUTHORIZED")
        self.assertEqual(self.get(f"{V2}/account", token=used).status, 200)

    def test_a_user_has_a_hundred_tokens(self) -> None:
        tokens = []
        for _ in range(MAX_TOKENS + 2):
            tokens.append(self.register())
            self.app.clock.advance(2)
        statuses = [self.get(f"{V2}/account", token=token).status for token in tokens]
        self.assertEqual(statuses, [401, 401] + [200] * MAX_TOKENS)

    def test_logout_ends_one_token(self) -> None:
        first, second = self.register(), self.register()
        self.assertEqual(self.post(f"{V2}/account/logout", token=first).json, {})
        self.assert_error(self.get(f"{V2}/account", token=first), 401, "M_UNAUTHORIZED")
        self.assert_error(self.post(f"{V2}/account/logout", token=first), 401, "M_UNAUTHORIZED")
        self.assertEqual(self.get(f"{V2}/account", token=second).status, 200)


class TermsOfServiceTests(AppTestCase):
    policies = {
        "terms": TermsPolicy(
            version="1", terms={"en": Term(name="Terms", url=ENGLISH), "fr": Term(name="T", url=FRENCH)}
        ),
        "privacy": TermsPolicy(version="2", terms={"en": Term(name="Privacy", url=PRIVACY)}),
    }

    def accept(self, *urls: str, token: str) -> Response:
        return self.post(f"{V2}/terms", json={"user_accepts": urls}, token=token)

    def test_accepted_by_a_form(self) -> None:
        token = self.register()
        form = urlencode([("user_accepts", FRENCH), ("user_accepts", PRIVACY)]).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self.assertEqual(self.post(f"{V2}/terms", data=form, headers=headers, token=token).json, {})
        self.assertEqual(self.get(f"{V2}/account", token=token).status, 200)

    def test_offer_needs_no_token(self) -> None:
        self.assertEqual(
            self.get(f"{V2}/terms").json,
            {
                "policies": {
                    "terms": {
                        "version": "1",
                        "en": {"name": "Terms", "url": ENGLISH},
                        "fr": {"name": "T", "url": FRENCH},
                    },
                    "privacy": {"version": "2", "en": {"name": "Privacy", "url": PRIVACY}},
                }
            },
        )

    def test_until_all_are_accepted(self) -> None:
        token = self.register()
        self.assert_error(self.get(f"{V2}/account", token=token), 403, "M_TERMS_NOT_SIGNED")
        self.assertEqual(self.accept(FRENCH, "https://elsewhere.org/", token=token).json, {})
        self.assert_error(self.get(f"{V2}/hash_details", token=token), 403, "M_TERMS_NOT_SIGNED")
        self.assert_error(self.get(f"{V2}/hash_details", token="wrong"), 401, "M_UNAUTHORIZED")
        self.accept(PRIVACY, token=token)
        self.assertEqual(self.get(f"{V2}/account", token=token).status, 200)

    def test_belongs_to_the_user(self) -> None:
        self.accept(ENGLISH, PRIVACY, token=self.register())
        self.assertEqual(self.get(f"{V2}/account", token=self.register()).status, 200)
        self.assert_error(self.get(f"{V2}/account", token=self.register("bobs")), 403, "M_TERMS_NOT_SIGNED")

    def test_unsigned_terms_do_not_keep_anyone_in(self) -> None:
        self.assertEqual(self.post(f"{V2}/account/logout", token=self.register()).status, 200)


class TermsForSomePathsTests(AppTestCase):
    policies = {
        "terms": TermsPolicy(
            version="1", terms={"en": Term(name="T", url=ENGLISH)}, regexp=("/_matrix/identity/v2/hash_.*",)
        )
    }

    def test_only_there(self) -> None:
        token = self.register()
        self.assertEqual(self.get(f"{V2}/account", token=token).status, 200)
        self.assert_error(self.get(f"{V2}/hash_details", token=token), 403, "M_TERMS_NOT_SIGNED")
