"""Requests beyond the rate limits: what is answered, and that nothing happens; each from one client and from many."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import fail

from mxisd.config.rate_limit import (
    InvitePerAddress,
    Lookup,
    MailPerClient,
    MailPerDomain,
    RateLimit,
    Register,
    SubmitToken,
)
from mxisd.matrix.threepid import ThreePid
from mxisd.storage.contract import StorageUnavailable
from mxisd.storage.sqlite.buckets import SQLiteBuckets
from tests.make import result
from tests.web.app import V1, V2, AppTestCase, Response


class RateLimitTests(AppTestCase):
    rate_limit = RateLimit(
        lookup=Lookup(burst=10),
        register=Register(burst=3),
        mail_per_client=MailPerClient(burst=3),
        mail_per_domain=MailPerDomain(burst=8),
    )

    def assert_limited(self, response: Response, name: str) -> None:
        """The answer says which limit it is, and when to come again."""
        self.assert_error(response, 429, "M_LIMIT_EXCEEDED")
        self.assertIn(name, response.json["error"])
        wait = response.json["retry_after_ms"]
        self.assertGreater(wait, 0)
        self.assertEqual(response.header("Retry-After"), str(-(-wait // 1000)))

    def request_token(self, number: int, **more: Any) -> Response:
        asked = {"client_secret": "secret", "email": f"user{number}@example.com", "send_attempt": 1}
        return self.post(f"{V1}/validate/email/requestToken", json=asked, **more)

    def test_validations_by_one_client(self) -> None:
        self.assertEqual([self.request_token(n).status for n in range(3)], [200] * 3)
        self.assert_limited(self.request_token(3), "mailPerClient")
        self.assertEqual(len(self.app.mailbox.messages), 3)
        self.app.clock.advance(60)
        self.assertEqual(self.request_token(3).status, 200)

    def test_validations_by_many_clients(self) -> None:
        answers = [self.request_token(n, headers={"X-Forwarded-For": f"192.0.2.{n}"}) for n in range(9)]
        self.assertEqual([answer.status for answer in answers[:8]], [200] * 8)
        self.assert_limited(answers[8], "mailPerDomain")
        self.assertEqual(len(self.app.mailbox.messages), 8)

    def test_a_request_again_is_as_good_as_once(self) -> None:
        self.assertEqual([self.request_token(0).status for _ in range(20)], [200] * 20)
        self.assertEqual(len(self.app.mailbox.messages), 1)

    def test_a_user_is_the_same_from_wherever(self) -> None:
        token = self.register()
        asked = {"client_secret": "secret", "send_attempt": 1}
        answers = [
            self.post(
                f"{V2}/validate/email/requestToken",
                json={**asked, "email": f"user{n}@example.com"},
                token=token,
                headers={"X-Forwarded-For": f"192.0.2.{n}"},
            )
            for n in range(4)
        ]
        self.assertEqual([answer.status for answer in answers], [200, 200, 200, 429])

    def test_lookups(self) -> None:
        one = {"medium": "email", "address": "alice@example.com"}
        many = {"threepids": [["email", f"user{n}@example.com"] for n in range(4)]}
        self.assertEqual([self.get(f"{V1}/lookup", query=one).status for _ in range(2)], [200] * 2)
        self.assertEqual([self.post(f"{V1}/bulk_lookup", json=many).status for _ in range(2)], [200] * 2)
        self.assert_limited(self.get(f"{V1}/lookup", query=one), "lookup")
        self.assert_limited(self.post(f"{V1}/bulk_lookup", json=many), "lookup")
        self.assertEqual(self.get(f"{V1}/lookup", query=one, headers={"X-Forwarded-For": "192.0.2.1"}).status, 200)
        self.app.clock.advance(0.005)
        self.assertEqual(self.get(f"{V1}/lookup", query=one).status, 200)

    def test_hashed_lookups_by_account(self) -> None:
        tokens = [self.register("alices"), self.register("bobs")]
        pepper = self.get(f"{V2}/hash_details", token=tokens[0]).json["lookup_pepper"]
        asked = {"algorithm": "sha256", "pepper": pepper, "addresses": [f"hash{n}" for n in range(10)]}
        answers = [self.post(f"{V2}/lookup", json=asked, token=token) for token in (*tokens, *tokens)]
        self.assertEqual([answer.status for answer in answers], [200, 200, 429, 429])
        self.assert_limited(answers[2], "lookup")

    def test_no_lookup_is_larger_than_the_burst(self) -> None:
        many = {"threepids": [["email", f"user{n}@example.com"] for n in range(11)]}
        self.assert_error(self.post(f"{V1}/bulk_lookup", json=many), 400, "M_INVALID_PARAM")

    def test_access_tokens(self) -> None:
        for server, clients in (("other.example", range(4)), ("example.org", [7] * 4)):
            body = {"access_token": "alices", "matrix_server_name": server}
            answers = [
                self.post(f"{V2}/account/register", json=body, headers={"X-Forwarded-For": f"192.0.2.{client}"})
                for client in clients
            ]
            self.assertEqual([answer.status for answer in answers[:3]], [200] * 3)
            self.assert_limited(answers[3], "register")
        self.assertEqual(len(self.app.homeservers.asked), 6)

    def test_without_the_storage_nobody_is_let_through(self) -> None:
        self.patch(SQLiteBuckets, "take", lambda *_: fail(StorageUnavailable("away")))
        self.assert_error(self.request_token(0), 503, "M_UNKNOWN")
        one = {"medium": "email", "address": "alice@example.com"}
        self.assert_error(self.get(f"{V1}/lookup", query=one), 503, "M_UNKNOWN")
        self.assertEqual(self.app.mailbox.messages, [])


class InviteLimitTests(AppTestCase):
    rate_limit = RateLimit(invite_per_address=InvitePerAddress(burst=3))

    def test_invites_of_one_address(self) -> None:
        for number in range(3):
            sender = f"@user{number}:example.org"
            self.assertEqual(self.invite(room=f"!{number}:example.org", sender=sender).status, 200)
        answer = self.invite(room="!3:example.org", sender="@user3:example.org")
        self.assert_error(answer, 429, "M_LIMIT_EXCEEDED")
        pending = result(self.app.storage.invites.pending(ThreePid("email", "bob@example.com")))
        self.assertEqual(len(pending), 3)

    def test_invites_by_one_sender(self) -> None:
        answers = [self.invite(f"user{number}@example.com") for number in range(31)]
        self.assertEqual([answer.status for answer in answers], [200] * 30 + [429])


class TokenLimitTests(AppTestCase):
    rate_limit = RateLimit(submit_token=SubmitToken(burst=8))

    def test_guesses_in_all_sessions_of_an_address(self) -> None:
        first, second = self.open_session(secret="a"), self.open_session(secret="b")
        answers = [self.submit(first, "a", "wrong") for _ in range(5)]
        answers += [self.submit(second, "b", "wrong") for _ in range(3)]
        self.assertEqual({answer.json["errcode"] for answer in answers}, {"M_TOKEN_INCORRECT"})
        answer = self.submit(second, "b")
        self.assert_error(answer, 429, "M_LIMIT_EXCEEDED")
        # What is refused is no guess.
        self.app.clock.advance(answer.json["retry_after_ms"] / 1000)
        self.assertEqual(self.submit(second, "b").json, {"success": True})

    def test_a_session_that_is_over_takes_nothing_from_others(self) -> None:
        first, second = self.open_session(secret="a"), self.open_session(secret="b")
        for _ in range(50):
            self.submit(first, "a", "wrong")
        self.assertEqual(self.submit(second, "b").json, {"success": True})

    def test_the_page_says_so_too(self) -> None:
        sid = self.open_session()
        for _ in range(8):
            self.submit(sid)
        answer = self.get(
            f"{V1}/validate/email/submitToken", query={"sid": sid, "client_secret": "secret", "token": "wrong"}
        )
        self.assertEqual((answer.status, answer.header("Retry-After")), (429, "300"))
        self.assertIn("text/html", answer.header("Content-Type") or "")


class PhoneLimitTests(AppTestCase):
    def test_phone_numbers(self) -> None:
        asked = {"client_secret": "secret", "country": "DE", "send_attempt": 1}
        statuses = [
            self.post(
                f"{V1}/validate/msisdn/requestToken", json={**asked, "phone_number": f"0151 234{number:05}"}
            ).status
            for number in range(11)
        ]
        self.assertEqual(statuses, [200] * 10 + [429])

    def test_where_no_message_goes(self) -> None:
        asked = {"client_secret": "secret", "country": "DE", "send_attempt": 1, "phone_number": "+881 6 1234 5678"}
        answer = self.post(f"{V1}/validate/msisdn/requestToken", json=asked)
        self.assert_error(answer, 400, "M_DESTINATION_REJECTED")
        self.assertEqual(self.app.mailbox.messages, [])
