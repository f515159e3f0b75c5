"""``validate/{email,msisdn}`` and ``getValidated3pid``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from twisted.internet.defer import Deferred

from mxisd.clock import now
from mxisd.config.session import NextLink, SessionPolicy
from mxisd.notify import SendFailed
from mxisd.storage.records import token_digest
from mxisd.threepids.attempts import CLAIM, LOOK_AGAIN, SEND_TIMEOUT, Attempts
from tests.make import result
from tests.web.app import PUBLIC_URL, V1, V2, AppTestCase, Response

HOUR = 3600


def _fail(held: Deferred[None], error: Exception | None) -> None:
    """When it is cancelled, with an error of its own or the usual one."""
    if error is not None:
        held.errback(error)


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

    def test_each_message_has_its_own_token_and_the_last_three_are_valid(self) -> None:
        for attempt in range(4):
            sid = self.open_session(attempt=attempt)
        first, *valid = (message.token for message in self.app.mailbox.messages)
        self.assertEqual(len({first, *valid}), 4)
        self.assert_error(self.submit(sid, token=first), 400, "M_TOKEN_INCORRECT")
        for token in valid:
            self.assertEqual(self.submit(sid, token=token).json, {"success": True})

    def test_more_messages_give_no_more_guesses(self) -> None:
        for attempt in range(5):
            sid = self.open_session(attempt=attempt)
            self.assert_error(self.submit(sid, token="wrong"), 400, "M_TOKEN_INCORRECT")
        self.assert_error(self.submit(sid), 400, "M_SESSION_EXPIRED")

    def test_what_is_stored_gives_neither_token_nor_secret_away(self) -> None:
        # Clients put the secret into the link too, to go on with when they are opened by it.
        sid = self.request_token(client_secret="a.secret", next_link="https://app.example/?s=a.secret#a").json["sid"]
        token = self.app.mailbox.messages[0].token
        stored = str(self.successResultOf(Deferred.fromCoroutine(self.app.storage.sessions.get(sid))))
        self.assertIn("alice@example.com", stored)
        for hidden in (token, "a.secret", sha256(token.encode()).hexdigest(), sha256(b"a.secret").hexdigest()):
            self.assertNotIn(hidden, stored)
        # Nor do the same secret and token look alike in another session.
        self.assertNotEqual(token_digest(sid, "a.secret", "1"), token_digest("other", "a.secret", "1"))

    def test_first_attempt_may_be_zero(self) -> None:
        self.open_session(attempt=0)
        self.assertEqual(len(self.app.mailbox.messages), 1)

    def test_failed_sending_can_be_tried_again(self) -> None:
        self.app.mailbox.failure = SendFailed(permanent=False, reason="the server is away")
        self.assert_error(self.request_token(), 400, "M_EMAIL_SEND_ERROR")
        self.app.mailbox.failure = None
        self.open_session()
        self.assertEqual(len(self.app.mailbox.messages), 1)

    def test_handed_over_without_an_answer(self) -> None:
        self.app.mailbox.failure = SendFailed(permanent=False, reason="the server is slow", handed_over=True)
        sid = self.open_session()
        self.app.mailbox.failure = None
        # The attempt counts: the message most likely arrives.
        self.assertEqual(self.open_session(), sid)
        self.assertEqual(self.app.mailbox.messages, [])

    def test_slow_mail_servers(self) -> None:
        handed_over = SendFailed(permanent=False, reason="cancelled", handed_over=True)
        for cancelled_with, expected in ((handed_over, 200), (None, 400)):
            self.setUp()
            self.app.mailbox.held = Deferred(partial(_fail, error=cancelled_with))
            path, body = f"{V1}/validate/email/requestToken", {"client_secret": "secret", "send_attempt": 1}
            pending = self.begin("POST", path, json=body | {"email": "alice@example.com"})
            self.app.clock.advance(SEND_TIMEOUT - 1)
            self.assertNoResult(pending)
            self.app.clock.advance(1)
            answer = self.response(pending)
            self.assertEqual(answer.status, expected, answer.body)
            self.app.mailbox.held = None
            self.open_session()
            self.assertEqual(len(self.app.mailbox.messages), 0 if expected == 200 else 1)

    def test_two_at_once_are_one_attempt(self) -> None:
        held: Deferred[None] = Deferred()
        self.app.mailbox.held = held
        first, second = self.ask(), self.ask()
        self.app.clock.advance(LOOK_AGAIN)
        for pending in (first, second):
            self.assertNoResult(pending)
        held.callback(None)
        self.app.mailbox.held = None
        self.app.clock.advance(LOOK_AGAIN)
        self.assertEqual(self.response(first).json, self.response(second).json)
        self.assertEqual(len(self.app.mailbox.messages), 1)

    def test_if_the_first_of_two_fails_the_second_tries(self) -> None:
        held: Deferred[None] = Deferred()
        self.app.mailbox.held = held
        first, second = self.ask(), self.ask()
        held.errback(SendFailed(permanent=False, reason="the server is away"))
        self.app.mailbox.held = None
        self.app.clock.advance(LOOK_AGAIN)
        self.assert_error(self.response(first), 400, "M_EMAIL_SEND_ERROR")
        self.assertEqual(self.response(second).status, 200)
        self.assertEqual(len(self.app.mailbox.messages), 1)

    def test_an_attempt_during_which_the_process_died_is_made_again(self) -> None:
        sid = self.open_session(attempt=0)
        # Nothing of that process is left but what it has stored.
        result(self.app.storage.cooldowns.take(f"attempt 1 {sid}", now(self.app.clock), CLAIM))
        again = self.ask()
        for _ in range(int(CLAIM / 1000 / LOOK_AGAIN)):
            self.assertEqual(len(self.app.mailbox.messages), 1)
            self.app.clock.advance(LOOK_AGAIN)
        self.assertEqual(self.response(again).status, 200)
        self.assertEqual(len(self.app.mailbox.messages), 2)

    def test_a_stop_gives_attempts_up_at_once(self) -> None:
        (attempts,) = [each for each in self.app.services if isinstance(each, Attempts)]
        self.app.mailbox.held = Deferred()
        asked = self.ask()
        self.successResultOf(attempts.stopService())
        self.assert_error(self.response(asked), 400, "M_EMAIL_SEND_ERROR")
        self.app.mailbox.held = None
        self.open_session()
        self.assertEqual(len(self.app.mailbox.messages), 1)

    def ask(self) -> Deferred[Any]:
        """A first attempt, that is not waited for."""
        body = {"client_secret": "secret", "email": "alice@example.com", "send_attempt": 1}
        return self.begin("POST", f"{V1}/validate/email/requestToken", json=body)

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
        self.assertEqual(self.app.mailbox.messages, [])

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


class NextLinkTests(AppTestCase):
    session_policy = SessionPolicy(next_link=NextLink(allowed=("app.example.org",)))

    def test_other_hosts(self) -> None:
        path, body = f"{V1}/validate/email/requestToken", {"client_secret": "secret", "send_attempt": 1}
        body["email"] = "alice@example.com"
        answer = self.post(path, json=body | {"next_link": "https://evil.example/"})
        self.assert_error(answer, 400, "M_INVALID_PARAM")
        self.assertIn("evil.example", answer.json["error"])
        self.assertEqual(self.app.mailbox.messages, [])
        self.assertEqual(self.post(path, json=body | {"next_link": "https://app.example.org/"}).status, 200)


class LinksTestCase(AppTestCase):
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


class ConfirmationTests(LinksTestCase):
    """The link in a message leads to a page with a button, and that validates."""

    def press(self, link: str, **other: str) -> Response:
        """Press the button of the page: a form is sent, to where it says."""
        page = self.follow(link).body.decode()
        self.assertIn('<form method="post" action="?">', page)
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)
        form = {name: unescape(value) for name, value in hidden} | other
        return self.post(urlsplit(link).path, form=form)

    def test_one_page_for_both_generations(self) -> None:
        for path in (V1, V2):
            link = self.link(path)
            self.assertTrue(link.startswith(f"{PUBLIC_URL}/_matrix/identity/confirm/email?"), link)
            self.assertEqual(set(parse_qs(urlsplit(link).query)), {"sid", "client_secret", "token"})
            answer = self.press(link)
            self.assertEqual(answer.status, 200)
            self.assertIn(b"<h1>This address is verified</h1>", answer.body)
            self.assertTrue(self.is_validated())
            self.assertEqual(self.press(link).status, 200)
            self.setUp()

    def test_looking_changes_nothing(self) -> None:
        link = self.link(next_link="https://app.example.org/done")
        for method, headers in (
            ("GET", {}),
            ("HEAD", {}),
            ("GET", {"Sec-Purpose": "prefetch;prerender"}),
            ("GET", {"User-Agent": "a mail filter"}),
        ):
            for _ in range(10):
                answer = self.follow(link, method, headers)
                self.assertEqual((answer.status, answer.header("Location")), (200, None))
                self.assertEqual(answer.body == b"", method == "HEAD")
        self.assertFalse(self.is_validated())
        self.press(link)
        self.assertTrue(self.is_validated())

    def test_the_page_does_not_tell_whether_a_token_is_right(self) -> None:
        link = self.link(next_link="https://app.example.org/done")
        token = parse_qs(urlsplit(link).query)["token"][0]
        wrong = self.follow(link.replace(token, "wrong"))
        self.assertEqual(wrong.status, 200)
        self.assertEqual(wrong.body.replace(b"wrong", token.encode()), self.follow(link).body)

    def test_strangers_are_told_nothing(self) -> None:
        link = self.link(next_link="https://app.example.org/done")
        unknown = self.follow(f"{PUBLIC_URL}/_matrix/identity/confirm/email?sid=x&client_secret=y&token=z")
        self.assertEqual(unknown.status, 200)
        for stranger in (link.replace("client_secret=secret", "client_secret=other"), link.replace("sid=", "sid=x")):
            answer = self.follow(stranger)
            self.assertEqual(answer.status, 200)
            self.assertIn(b"<p hidden>Afterwards", answer.body)
            self.assertNotIn(b"app.example.org", answer.body)
        self.assertNotIn(b"alice", self.follow(link).body)

    def test_the_next_host_is_shown_before_and_then_comes(self) -> None:
        link = self.link(next_link='https://App.example.org:8443/done?x=1&y=%20"#z')
        page = self.follow(link + "&next_link=https://evil.example/").body
        self.assertIn(b"<p >Afterwards you go on to <bdi>app.example.org</bdi>", page)
        answer = self.press(link, next_link="https://evil.example/")
        self.assertEqual((answer.status, answer.header("Location")), (200, None))
        url = b"https://App.example.org:8443/done?x=1&amp;y=%20&quot;#z"
        self.assertIn(b'<meta http-equiv="refresh" content="0; url=' + url + b'">', answer.body)
        self.assertIn(b'<a href="' + url + b'">app.example.org</a>', answer.body)
        self.assertTrue(self.is_validated())

    def test_what_does_not_validate(self) -> None:
        link = self.link(next_link="https://app.example.org/done")
        for other, status in (
            ({"token": "wrong"}, 400),
            ({"client_secret": "other"}, 404),
            ({"sid": "unknown"}, 404),
            ({"sid": ""}, 400),
        ):
            answer = self.press(link, **other)
            self.assertEqual(answer.status, status, other)
            self.assertIn(b"<h1>This address could not be verified</h1>", answer.body)
            self.assertNotIn(b"app.example.org", answer.body)
        self.assertEqual(self.press(link.replace("/email?", "/msisdn?")).status, 404)
        self.assertEqual(self.post("/_matrix/identity/confirm/email", form={}).status, 400)
        self.assertFalse(self.is_validated())

    def test_an_old_session(self) -> None:
        link = self.link()
        self.app.clock.advance(24 * HOUR)
        self.assertEqual(self.follow(link).status, 200)
        self.assertEqual(self.press(link).status, 400)

    def test_nothing_of_the_link_is_markup(self) -> None:
        self.link()
        query = urlencode({"sid": "\"'><script>alert(1)</script>", "client_secret": "%TOKEN%", "token": "&quot;"})
        page = self.follow(f"{PUBLIC_URL}/_matrix/identity/confirm/email?{query}").body
        self.assertNotIn(b"<script", page)
        self.assertIn(b'value="&quot;&#x27;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"', page)
        self.assertIn(b'value="%TOKEN%"', page)
        self.assertIn(b'value="&amp;quot;"', page)
        for bad in ("", "?", "?sid=%ff", "?sid=a&sid=b"):
            answer = self.follow(f"{PUBLIC_URL}/_matrix/identity/confirm/email{bad}")
            self.assertIn(answer.status, (200, 400))
            self.assertTrue((answer.header("Content-Type") or "").startswith("text/html"))

    def test_phones(self) -> None:
        body = {"client_secret": "secret", "country": "GB", "phone_number": "07700 900001", "send_attempt": 1}
        self.sid = self.post(f"{V1}/validate/msisdn/requestToken", json=body).json["sid"]
        link = self.app.mailbox.messages[-1].link
        self.assertTrue(link.startswith(f"{PUBLIC_URL}/_matrix/identity/confirm/msisdn?"), link)
        self.assertEqual(self.press(link).status, 200)
        self.assertTrue(self.is_validated())

    def test_links_of_the_specification_stay(self) -> None:
        query = urlsplit(self.link()).query
        self.assertEqual(self.follow(f"{PUBLIC_URL}{V2}/validate/email/submitToken?{query}").status, 200)
        self.assertTrue(self.is_validated())


class LinkTests(LinksTestCase):
    """Without the page, the link validates by itself."""

    asking_first = False

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

    def test_next_link_with_the_client_secret(self) -> None:
        link = self.link(next_link="https://app.example.org/?client_secret=secret#secret")
        self.assertEqual(self.follow(link).header("Location"), "https://app.example.org/?client_secret=secret#secret")

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
