"""What real clients send, which is not always what the specification says."""

from __future__ import annotations

from typing import Any

from mxisd.config.rate_limit import RateLimit
from tests.web.app import DOMAIN, V1, V2, AppTestCase


class ScalarTests(AppTestCase):
    rate_limit = RateLimit(enabled=False)

    def request_token(self, **changes: Any) -> int:
        body = {"client_secret": "secret", "email": "alice@example.com", "send_attempt": 1, **changes}
        return self.post(f"{V1}/validate/email/requestToken", json=body).status

    def test_numbers_and_texts_that_mean_the_same(self) -> None:
        for attempt in (1, "2", 3.0, "4.0", 5.5, "0", "-0"):
            self.assertEqual(self.request_token(send_attempt=attempt), 200, attempt)
        self.assertEqual(len(self.app.mailbox.messages), 5)

    def test_what_means_something_else_or_nothing(self) -> None:
        for attempt in (
            "x",
            "",
            "1x",
            "1e3",
            " 1",
            "\u0661",
            [1],
            {"a": 1},
            True,
            False,
            None,
            "-1",
            -1,
            1e300,
            "9" * 30,
        ):
            answer = self.post(
                f"{V1}/validate/email/requestToken",
                json={"client_secret": "secret", "email": "alice@example.com", "send_attempt": attempt},
            )
            self.assert_error(answer, 400, "M_INVALID_PARAM")
        for secret in (True, [1], {"a": 1}, None, 1.5):
            self.assertEqual(self.request_token(client_secret=secret), 400, secret)

    def test_numbers_as_texts(self) -> None:
        self.assertEqual(self.request_token(client_secret=12345), 200)
        sid = self.open_session(secret="12345", attempt=9)
        token = self.app.mailbox.messages[-1].token
        answer = self.post(
            f"{V1}/validate/email/submitToken", json={"sid": sid, "client_secret": 12345, "token": token}
        )
        self.assertEqual(answer.json, {"success": True})

    def test_nothing_in_a_form(self) -> None:
        for nothing in ("None", "null", "undefined"):
            form = {"client_secret": "s", "email": "alice@example.com", "send_attempt": "1", "next_link": nothing}
            self.assertEqual(self.post(f"{V1}/validate/email/requestToken", form=form).status, 200)
            self.assertEqual(self.post(f"{V1}/validate/email/requestToken", query=form).status, 200)


class AccountTests(AppTestCase):
    def test_only_what_is_used_of_an_openid_token_is_wanted(self) -> None:
        for more in ({}, {"token_type": None, "expires_in": None}, {"token_type": 1, "expires_in": "soon"}):
            body = {"access_token": "alices", "matrix_server_name": DOMAIN, **more}
            self.assertEqual(self.post(f"{V2}/account/register", json=body).status, 200, more)


class QueryTests(AppTestCase):
    def test_parameters_in_the_query_beside_an_empty_body(self) -> None:
        token = self.invite().json["token"]
        query = {"token": token, "mxid": "@bob:example.org", "private_key": "a" * 43}
        for data, content_type in (
            (b"", "application/x-www-form-urlencoded"),
            (b"", "application/json"),
            (None, "text/plain"),
            (b"null", "application/json"),
            (b"{}", "application/json"),
            (b" {} ", "application/json; charset=utf-8"),
        ):
            answer = self.post(f"{V1}/sign-ed25519", query=query, data=data, headers={"Content-Type": content_type})
            self.assertEqual((answer.status, answer.json["mxid"]), (200, "@bob:example.org"), (data, content_type))

    def test_the_same_for_other_endpoints(self) -> None:
        json = {"Content-Type": "application/json"}
        query = {"client_secret": "s", "email": "alice@example.com", "send_attempt": "1"}
        answer = self.post(f"{V1}/validate/email/requestToken", query=query, data=b"{}", headers=json)
        sid = answer.json["sid"]
        proof = {"sid": sid, "client_secret": "s", "token": self.app.mailbox.messages[-1].token}
        answer = self.post(f"{V1}/validate/email/submitToken", query=proof, data=b"null", headers=json)
        self.assertEqual(answer.json, {"success": True})
        bind = {"sid": sid, "client_secret": "s", "mxid": "@alice:example.org"}
        self.assertEqual(self.post(f"{V1}/3pid/bind", query=bind, data=b"{}", headers=json).status, 200)
        invite = {"medium": "email", "address": "c@d.e", "room_id": "!r:example.org", "sender": "@alice:example.org"}
        self.assertEqual(self.post(f"{V1}/store-invite", query=invite, data=b"{}", headers=json).status, 200)

    def test_a_body_counts_where_there_is_one(self) -> None:
        answer = self.post(f"{V1}/sign-ed25519", query={"token": "x"}, json={"mxid": "@a:b"})
        self.assert_error(answer, 400, "M_MISSING_PARAMS")
