"""What holds at every path."""

from __future__ import annotations

from typing import Any

from mxisd import __version__
from mxisd.web.endpoint import ProgramEndpoint
from mxisd.web.identity.validate import CONFIRM
from tests.web.app import V1, V2, AppTestCase

# Paths of v2 that serve without an access token, by method.
OPEN = {
    ("GET", "/_matrix/identity/versions"),
    ("GET", V2),
    ("GET", f"{V2}/terms"),
    ("POST", f"{V2}/account/register"),
    ("POST", f"{V2}/3pid/unbind"),
    ("GET", f"{V2}/validate/email/submitToken"),
    ("GET", f"{V2}/validate/msisdn/submitToken"),
    ("GET", f"{V2}/pubkey/isvalid"),
    ("GET", f"{V2}/pubkey/ephemeral/isvalid"),
    ("GET", f"{V2}/pubkey/{{keyId}}"),
}


class PathTests(AppTestCase):
    def each(self) -> list[tuple[str, str]]:
        """Every method of every path, HEAD aside."""
        return [
            (method.decode(), path)
            for path, endpoint in self.app.endpoints.items()
            for method in endpoint.handlers
            if method != b"HEAD"
        ]

    def origin(self, path: str) -> str | None:
        """Whose pages may read the answers of a path."""
        return None if isinstance(self.app.endpoints[path], ProgramEndpoint) else "*"

    def test_status(self) -> None:
        for path in (V1, f"{V1}/", V2):
            self.assertEqual(self.get(path).json, {})

    def test_health_checks_of_the_old_servers(self) -> None:
        self.assertEqual(self.get("/status").json, {"status": {"health": "OK"}})
        self.assertEqual(self.get("/version").json, {"server": {"name": "mxisd", "version": __version__}})

    def test_versions(self) -> None:
        versions = self.get("/_matrix/identity/versions").json["versions"]
        self.assertIn("r0.2.0", versions)
        self.assertIn("v1.1", versions)

    def test_unknown_paths(self) -> None:
        for path in (
            "/",
            "/_matrix",
            "/_matrix/identity",
            "/_matrix/identity/v3",
            "/_matrix/identity/v3/lookup",
            "/_matrix/identity/api/v2/lookup",
            f"{V1}/nothing",
            f"{V1}/lookup/below",
            f"{V1}/lookup/far/below/it",
            f"{V1}/validate",
            f"{V1}/validate/telex/requestToken",
            f"{V1}/pubkey/ed25519:0/below",
            f"{V2}/account/",
            "/favicon.ico",
        ):
            for method in ("GET", "POST", "DELETE"):
                self.assert_error(self.request(method, path), 404, "M_UNRECOGNIZED")

    def test_wrong_methods(self) -> None:
        for path, endpoint in self.app.endpoints.items():
            for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
                if method.encode() not in endpoint.handlers:
                    self.assert_error(self.request(method, path), 405, "M_UNRECOGNIZED", self.origin(path))

    def test_preflight(self) -> None:
        pages = [path for path, endpoint in self.app.endpoints.items() if not isinstance(endpoint, ProgramEndpoint)]
        for path in (*pages, "/_matrix/nowhere"):
            answer = self.request("OPTIONS", path)
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.header("Access-Control-Allow-Origin"), "*")
            self.assertIn("POST", answer.header("Access-Control-Allow-Methods") or "")
            self.assertIn("Authorization", answer.header("Access-Control-Allow-Headers") or "")

    def test_what_is_for_programs_is_not_shown_to_pages(self) -> None:
        programs = [path for path, endpoint in self.app.endpoints.items() if isinstance(endpoint, ProgramEndpoint)]
        self.assertIn("/_matrix-internal/identity/v1/check_credentials", programs)
        self.assertIn("/_matrix-internal/profile/v1/{userId}", programs)
        for path in programs:
            for method in ("OPTIONS", "GET", "POST"):
                self.assertIsNone(self.request(method, path).header("Access-Control-Allow-Origin"))

    def test_no_token(self) -> None:
        """Every path of v2 asks for a token, before it looks at any parameter, but for those listed above."""
        guarded = {(method, path) for method, path in self.each() if path.startswith(V2)} - OPEN
        self.assertGreater(len(guarded), 10)
        for method, path in guarded:
            self.assert_error(self.request(method, path, data=b""), 401, "M_UNAUTHORIZED")
            self.assert_error(self.request(method, path, token="wrong"), 401, "M_UNAUTHORIZED")
            basic = {"Authorization": "Basic d3Jvbmc="}
            self.assert_error(self.request(method, path, headers=basic), 401, "M_UNAUTHORIZED")

    def test_bodies_that_are_none(self) -> None:
        token = self.register()
        posts = [path for method, path in self.each() if method == "POST" and not path.endswith("/logout")]
        # There, people are answered with a page.
        posts = [path for path in posts if not path.startswith(CONFIRM)]
        for path in posts:
            for body in (b"{", b"", b"\xff", b"\xef\xbb\xbf{}", '{"a": 1}'.encode("utf-16"), b'{"a": NaN}'):
                answer = self.request("POST", path, data=body, token=token)
                self.assert_error(answer, 400, "M_NOT_JSON", self.origin(path))
            for body in (b"7", b"[]", b'"text"', b"null", b"true"):
                answer = self.request("POST", path, data=body, token=token)
                self.assert_error(answer, 400, "M_BAD_JSON", self.origin(path))
            for body in (b"[" * 1000 + b"]" * 1000, b'{"a":' * 1000 + b"1" + b"}" * 1000):
                self.assertEqual(self.request("POST", path, data=body, token=token).status, 400)

    def test_missing_parameters_are_named(self) -> None:
        answer = self.post(f"{V1}/3pid/bind", json={"sid": "x"})
        self.assert_error(answer, 400, "M_MISSING_PARAMS")
        self.assertIn("client_secret", answer.json["error"])
        self.assertIn("mxid", answer.json["error"])
        answer = self.post(f"{V1}/3pid/unbind", json={"threepid": {"medium": "email"}})
        self.assertIn("threepid.address", answer.json["error"])
        self.assert_error(self.get(f"{V1}/lookup"), 400, "M_MISSING_PARAMS")

    def test_wrong_types(self) -> None:
        token = self.register()
        wrong: list[tuple[str, Any]] = [
            (f"{V1}/validate/email/requestToken", {"client_secret": True, "email": "a@b.c", "send_attempt": 1}),
            (f"{V1}/validate/email/requestToken", {"client_secret": "s", "email": [], "send_attempt": 1}),
            (f"{V1}/validate/email/requestToken", {"client_secret": "s", "email": "a@b.c", "send_attempt": "one"}),
            (f"{V1}/validate/email/requestToken", {"client_secret": "s", "email": "a@b.c", "send_attempt": True}),
            (f"{V1}/validate/email/requestToken", {"client_secret": "s", "email": "a@b.c", "send_attempt": -1}),
            (f"{V1}/validate/email/requestToken", {"client_secret": "s", "email": "a@b.c", "send_attempt": 2**70}),
            (f"{V1}/3pid/unbind", {"threepid": [], "mxid": "@a:example.org"}),
            (f"{V1}/3pid/unbind", {"threepid": {"medium": {}, "address": "a"}, "mxid": "@a:example.org"}),
            (f"{V1}/bulk_lookup", {"threepids": [["email"]]}),
            (f"{V1}/bulk_lookup", {"threepids": [["email", 1]]}),
            (f"{V1}/bulk_lookup", {"threepids": "email"}),
            (f"{V2}/terms", {"user_accepts": "https://example.org/terms"}),
            (f"{V2}/terms", {"user_accepts": [1]}),
            (f"{V2}/lookup", {"addresses": [1], "algorithm": "none", "pepper": "p"}),
            (f"{V1}/sign-ed25519", {"mxid": "@a:example.org", "token": [1], "private_key": "k"}),
        ]
        for path, body in wrong:
            self.assert_error(self.post(path, json=body, token=token), 400, "M_INVALID_PARAM")

    def test_form_encoded(self) -> None:
        answer = self.post(
            f"{V1}/validate/email/requestToken",
            form={"client_secret": "s", "email": "ä@example.com", "send_attempt": "1"},
        )
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(self.app.mailbox.messages[0].threepid.address, "ä@example.com")

    def test_parameters_in_the_query_of_a_post(self) -> None:
        sid = self.open_session()
        token = self.app.mailbox.messages[0].token
        answer = self.post(
            f"{V1}/validate/email/submitToken", query={"sid": sid, "client_secret": "secret", "token": token}
        )
        self.assertEqual(answer.json, {"success": True})

    def test_undecodable_query(self) -> None:
        self.assert_error(self.get(f"{V1}/lookup?medium=email&address=%ff"), 400, "M_INVALID_PARAM")

    def test_token_in_the_query(self) -> None:
        token = self.register()
        self.assertEqual(self.get(f"{V2}/account", query={"access_token": token}).json["user_id"], "@alice:example.org")

    def test_head(self) -> None:
        answer = self.request("HEAD", V2)
        self.assertEqual((answer.status, answer.body), (200, b""))

    def test_failure_is_told_by_reference_only(self) -> None:
        async def fail(*_: object) -> None:
            raise RuntimeError("inner secrets")

        self.patch(self.app.storage.bindings, "get", fail)
        answer = self.get(f"{V1}/lookup", query={"medium": "email", "address": "a@b.c"})
        self.assert_error(answer, 500, "M_UNKNOWN")
        self.assertNotIn("secrets", answer.json["error"])
        [logged] = self.flushLoggedErrors(RuntimeError)
        self.assertIn("inner secrets", logged.getErrorMessage())
