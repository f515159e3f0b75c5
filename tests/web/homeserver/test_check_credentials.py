from __future__ import annotations

import json

from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer

from mxisd.stores.passwords import BEAT
from mxisd.stores.stores import Stores
from mxisd.web.homeserver.check_credentials import PATH
from tests.web.interception.app import InterceptionTestCase
from tests.web.interception.people import PEOPLE, Failing, broken


class CheckCredentialsTestCase(InterceptionTestCase):
    stores = Stores([PEOPLE])

    def ask(self, body: object, headers: str = "", peer: str = "127.0.0.1") -> tuple[int, object]:
        """The status and the body of the answer."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        channel, transport = self.connect(peer)
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n{headers}\r\n"
        channel.dataReceived(head.encode() + content)
        self.clock.advance(BEAT)
        status, _, rest = transport.value().partition(b"\r\n")
        return int(status.split()[1]), json.loads(rest.partition(b"\r\n\r\n")[2])

    def check(self, user_id: str, password: str, headers: str = "", peer: str = "127.0.0.1") -> tuple[int, object]:
        return self.ask({"user": {"id": user_id, "password": password}}, headers, peer)


CAROL = "@carol:example.org"
NO = (200, {"auth": {"success": False}})


class AnswerTests(CheckCredentialsTestCase):
    def test_yes_and_what_is_known(self) -> None:
        threepids = [
            {"medium": "email", "address": "carol@example.com"},
            {"medium": "msisdn", "address": "4915112345678"},
        ]
        profile = {"display_name": "Carol Example", "three_pids": threepids}
        self.assertEqual(
            self.check(CAROL, "pässword"),
            (200, {"auth": {"success": True, "mxid": CAROL, "display_name": "Carol Example", "profile": profile}}),
        )
        self.assertEqual(
            self.check("@dan:example.org", "secret")[1],
            {
                "auth": {
                    "success": True,
                    "mxid": "@dan:example.org",
                    "display_name": "Dan Example",
                    "profile": {"display_name": "Dan Example", "three_pids": []},
                }
            },
        )

    def test_no(self) -> None:
        for user_id, password in [(CAROL, "secret"), ("@nobody:example.org", "secret"), ("carol", "pässword")]:
            self.assertEqual(self.check(user_id, password), NO)

    def test_wrong_bodies_are_refused_without_repeating_them(self) -> None:
        for body, errcode in [
            ({}, "M_MISSING_PARAMS"),
            ({"user": {"id": CAROL}}, "M_MISSING_PARAMS"),
            ({"user": {"id": CAROL, "password": ["s3cret"]}}, "M_INVALID_PARAM"),
            (b"user=s3cret", "M_NOT_JSON"),
        ]:
            status, answer = self.ask(body)
            assert isinstance(answer, dict)
            self.assertEqual((status, answer["errcode"]), (400, errcode))
            self.assertNotIn("s3cret", str(answer))


class AccessTests(CheckCredentialsTestCase):
    def test_only_private_networks(self) -> None:
        for peer, forwarded, status in [
            ("127.0.0.1", "", 200),
            ("10.1.2.3", "", 200),
            ("::ffff:10.1.2.3", "", 200),
            ("fd00::1", "", 200),
            ("203.0.113.7", "", 403),
            ("2001:db8::1", "", 403),
            ("::ffff:203.0.113.7", "", 403),
            # By a proxy of ours, and by somebody who claims to be one.
            ("127.0.0.1", "10.1.2.3", 200),
            ("127.0.0.1", "203.0.113.7", 403),
            ("127.0.0.1", "127.0.0.1, 203.0.113.7", 403),
            ("::ffff:127.0.0.1", "203.0.113.7", 403),
            ("203.0.113.7", "10.1.2.3", 403),
        ]:
            headers = f"X-Forwarded-For: {forwarded}\r\n" if forwarded else ""
            self.assertEqual(self.check(CAROL, "pässword", headers, peer)[0], status, (peer, forwarded))


class FailureTests(CheckCredentialsTestCase):
    stores = Stores([broken(Failing()), PEOPLE])

    def tearDown(self) -> None:
        self.flushLoggedErrors(ConnectionError)

    def test_that_nobody_knows_is_no_no(self) -> None:
        status, answer = self.check(CAROL, "secret")
        assert isinstance(answer, dict)
        self.assertEqual((status, answer["errcode"]), (503, "M_UNKNOWN"))
        self.assertEqual(self.check(CAROL, "pässword")[0], 200)

    def test_nothing_of_a_password_is_in_the_log(self) -> None:
        lines: list[str] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            lines.append(f"{formatEvent(event)} {event}")

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        for user_id in (CAROL, "@nobody:example.org", "nonsense"):
            self.check(user_id, "s3cret")
            self.ask({"user": {"id": user_id, "password": ["s3cret"]}})
        self.assertTrue(lines)
        self.assertNotIn("s3cret", "".join(lines))
