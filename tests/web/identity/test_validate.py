"""``validate/{email,msisdn}`` and ``getValidated3pid``."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from mxisd.clock import now
from mxisd.notify import SendFailed
from tests.web.app import PUBLIC_URL, V1, V2, AppTestCase, Response

HOUR = 3600


class EmailSessionTests(AppTestCase):
    def request_token(self, **body: object) -> Response:
        given = {"client_secret": "secret", "email": "alice@example.com", "send_attempt": 1} | body
        return self.post(f"{V1}/validate/email/requestToken", json=given)

    def get_validated(self, sid: str, secret: str = "secret") -> Response:
        return self.get(f"{V1}/3pid/getValidated3pid", query={"sid": sid, "client_secret": secret})

    def test_a_token_is_mailed(self) -> None:
        sid = self.open_session("Alice@Example.com")
        self.assertRegex(sid, r"^[0-9a-zA-Z.=_-]{20,255}$")
        [message] = self.app.mailbox.messages
        self.assertEqual(message.threepid, ("email", "alice@example.com"))
        self.assertGreater(len(message.token), 30)

    def test_it_is_mailed_to_nobody_elses_domain(self) -> None:
        for address, mailed in [
            ("Anna@Straße.example", "anna@xn--strae-oqa.example"),
            ("anna@σίτος.example", "anna@xn--kxa6ajbg.example"),
            ("anna@strasse.example", "anna@strasse.example"),
        ]:
            self.open_session(address)
            self.assertEqual(self.app.mailbox.messages[-1].threepid, ("email", mailed))

    def test_attempts(self) -> None:
        sid = self.open_session(attempt=1)
        self.assertEqual(self.open_session(attempt=1), sid)
        self.assertEqual(self.open_session("ALICE@example.com", attempt=1), sid)
        self.assertEqual(self.open_session(attempt=0), sid)
        self.assertEqual(len(self.app.mailbox.messages), 1)
        self.assertEqual(self.open_session(attempt=2), sid)
        self.assertEqual(len(self.app.mailbox.messages), 2)
        self.assertNotEqual(self.open_session(secret="other"), sid)
        self.assertNotEqual(self.open_session("bob@example.com"), sid)

    def test_first_attempt_may_be_zero(self) -> None:
        self.open_session(attempt=0)
        self.assertEqual(len(self.app.mailbox.messages), 1)

    def test_failed_sending_can_be_tried_again(self) -> None:
        self.app.mailbox.failure = SendFailed(permanent=False, reason="the server is away")
        self.assert_error(self.request_token(), 400, "M_EMAIL_SEND_ERROR")
        self.app.mailbox.failure = None
        self.open_session()
        self.assertEqual(len(self.app.mailbox.messages), 1)

    def test_no_addresses(self) -> None:
        for address in (
            "",
            "alice",
            "@example.com",
            "alice@",
            "alice@example.com@evil.example",
            "al ice@example.com",
            "alice@exa mple.com",
            "alice@example.com\n",
            "alice\r\nBcc: x@example.com",
            "alice\x00@example.com",
            "Alice <alice@example.com>",
            "alice@example.com,bob@example.com",
            "a" * 600 + "@example.com",
        ):
            self.assert_error(self.request_token(email=address), 400, "M_INVALID_EMAIL")
        self.assertEqual(self.app.mailbox.messages, [])

    def test_client_secrets(self) -> None:
        for secret in ("", "with space", "newline\n", "s" * 256, "ü", "a/b"):
            self.assert_error(self.request_token(client_secret=secret), 400, "M_INVALID_PARAM")
        self.assertEqual(self.request_token(client_secret="0.=_-Z" + "s" * 249).status, 200)

    def test_next_links(self) -> None:
        for link in (
            "javascript:alert(1)",
            "ftp://example.org/",
            "//example.org",
            "http://",
            "https://a.b/\r\nX: y",
            "x",
        ):
            self.assert_error(self.request_token(next_link=link), 400, "M_INVALID_PARAM")

    def test_validation(self) -> None:
        sid = self.open_session("Alice@example.com")
        self.assert_error(self.get_validated(sid), 400, "M_SESSION_NOT_VALIDATED")
        self.app.clock.advance(5)
        self.assertEqual(self.submit(sid).json, {"success": True})
        self.assertEqual(
            self.get_validated(sid).json,
            {"medium": "email", "address": "alice@example.com", "validated_at": now(self.app.clock)},
        )

    def test_validating_again(self) -> None:
        sid = self.validate()
        validated_at = self.get_validated(sid).json["validated_at"]
        self.app.clock.advance(60)
        for _ in range(10):
            self.assertEqual(self.submit(sid).json, {"success": True})
        self.assertEqual(self.get_validated(sid).json["validated_at"], validated_at)

    def test_wrong_tokens(self) -> None:
        sid = self.open_session()
        for _ in range(5):
            self.assert_error(self.submit(sid, token="wrong"), 400, "M_TOKEN_INCORRECT")
        self.assert_error(self.submit(sid), 400, "M_SESSION_EXPIRED")
        self.assert_error(self.get_validated(sid), 400, "M_SESSION_NOT_VALIDATED")
        self.assertNotEqual(self.open_session(), sid)
        self.assertEqual(len(self.app.mailbox.messages), 2)

    def test_four_wrong_tokens_leave_one_chance(self) -> None:
        sid = self.open_session()
        for _ in range(4):
            self.submit(sid, token="wrong")
        self.assertEqual(self.submit(sid).json, {"success": True})

    def test_other_sessions(self) -> None:
        sid = self.open_session()
        self.assert_error(self.submit(sid, secret="other"), 404, "M_NO_VALID_SESSION")
        self.assert_error(self.submit("unknown"), 404, "M_NO_VALID_SESSION")
        self.assert_error(self.submit(f"{sid}\n"), 400, "M_INVALID_PARAM")
        self.assert_error(self.get_validated(sid, "other"), 404, "M_NO_VALID_SESSION")
        token = self.app.mailbox.messages[0].token
        body = {"sid": sid, "client_secret": "secret", "token": token}
        self.assert_error(self.post(f"{V1}/validate/msisdn/submitToken", json=body), 404, "M_NO_VALID_SESSION")

    def test_expiry(self) -> None:
        sid = self.open_session()
        self.app.clock.advance(24 * HOUR)
        self.assert_error(self.submit(sid), 400, "M_SESSION_EXPIRED")
        self.assert_error(self.get_validated(sid), 400, "M_SESSION_EXPIRED")
        self.assertNotEqual(self.open_session(), sid)
        self.assertEqual(len(self.app.mailbox.messages), 2)

    def test_validation_prolongs(self) -> None:
        sid = self.open_session()
        self.app.clock.advance(23 * HOUR)
        self.submit(sid)
        self.app.clock.advance(24 * HOUR - 1)
        self.assertEqual(self.get_validated(sid).status, 200)
        self.app.clock.advance(1)
        self.assert_error(self.get_validated(sid), 400, "M_SESSION_EXPIRED")


class LinkTests(AppTestCase):
    def follow(self, link: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Response:
        self.assertTrue(link.startswith(f"{PUBLIC_URL}/_matrix/identity/"), link)
        return self.request(method, link.removeprefix(PUBLIC_URL), headers=headers)

    def link(self, path: str = V2, next_link: str | None = None) -> str:
        body = {"client_secret": "secret", "email": "alice@example.com", "send_attempt": 1, "next_link": next_link}
        answer = self.post(f"{path}/validate/email/requestToken", json=body, token=self.register())
        self.assertEqual(answer.status, 200, answer.body)
        self.sid = answer.json["sid"]
        return str(self.app.mailbox.messages[-1].link)

    def is_validated(self) -> bool:
        query = {"sid": self.sid, "client_secret": "secret"}
        return self.get(f"{V1}/3pid/getValidated3pid", query=query).status == 200

    def test_page(self) -> None:
        for path in (V1, V2):
            answer = self.follow(self.link(path))
            self.assertEqual(answer.status, 200)
            self.assertTrue((answer.header("Content-Type") or "").startswith("text/html"))
            self.assertEqual(answer.header("Access-Control-Allow-Origin"), "*")
            self.assertEqual(answer.header("Referrer-Policy"), "no-referrer")
            self.assertTrue(self.is_validated())
            self.setUp()

    def test_only_the_documented_parameters(self) -> None:
        self.assertEqual(set(parse_qs(urlsplit(self.link()).query)), {"sid", "client_secret", "token"})

    def test_next_link(self) -> None:
        link = self.link(next_link="https://app.example.org/done?x=1&y=%20#z")
        answer = self.follow(link + "&next_link=https://evil.example/")
        self.assertEqual(answer.status, 302)
        self.assertEqual(answer.header("Location"), "https://app.example.org/done?x=1&y=%20#z")

    def test_failure_is_a_page(self) -> None:
        link = self.link(next_link="https://app.example.org/done")
        for bad in (link + "x", link.partition("?")[0], link.replace("client_secret=secret", "client_secret=other")):
            answer = self.follow(bad)
            self.assertTrue(400 <= answer.status < 500)
            self.assertIsNone(answer.header("Location"))
            self.assertTrue((answer.header("Content-Type") or "").startswith("text/html"))
        self.assertFalse(self.is_validated())

    def test_looking_does_not_validate(self) -> None:
        link = self.link()
        answer = self.follow(link, "HEAD")
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertFalse(self.is_validated())

    def test_prefetch_does_not_validate(self) -> None:
        link = self.link()
        for header, value in (
            ("Sec-Purpose", "prefetch;prerender"),
            ("Purpose", "prefetch"),
            ("X-Purpose", "preview"),
            ("X-Moz", "prefetch"),
        ):
            answer = self.follow(link, headers={header: value})
            self.assertEqual((answer.status, answer.header("Cache-Control")), (503, "no-store"))
            self.assertFalse(self.is_validated())
        self.assertEqual(self.follow(link).status, 200)
        self.assertTrue(self.is_validated())


class PhoneTests(AppTestCase):
    def request_token(self, number: str, country: str = "GB") -> Response:
        body = {"client_secret": "secret", "country": country, "phone_number": number, "send_attempt": 1}
        return self.post(f"{V1}/validate/msisdn/requestToken", json=body)

    def test_national_number(self) -> None:
        self.assertEqual(self.request_token("07700 900001").status, 200)
        [message] = self.app.mailbox.messages
        self.assertEqual(message.threepid, ("msisdn", "447700900001"))
        self.assertRegex(message.token, r"^[0-9]{6}$")
        sid = self.request_token("+44 7700 900001").json["sid"]
        body = {"sid": sid, "client_secret": "secret", "token": message.token}
        self.assertEqual(self.post(f"{V1}/validate/msisdn/submitToken", json=body).json, {"success": True})

    def test_no_numbers(self) -> None:
        for number in ("", "1", "12", "0800FLOWERS", "1" * 20, "+999123456789", "abc", "+"):
            self.assert_error(self.request_token(number), 400, "M_INVALID_ADDRESS")
        for country in ("XX", "", "GBR", "44", "gb\n"):
            self.assertEqual(self.request_token("07700 900001", country).status, 400)
        self.assertEqual(self.app.mailbox.messages, [])

    def test_no_way_to_send(self) -> None:
        self.app.mailbox.failure = SendFailed(permanent=True, reason="no connector for phones")
        self.assert_error(self.request_token("07700 900001"), 400, "M_SEND_ERROR")
