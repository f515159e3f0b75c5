"""What a homeserver is told of a binding, and what its answers mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import json, structs
from twisted.trial.unittest import SynchronousTestCase

from mxisd.clock import DAY, now
from mxisd.matrix.ids import InvalidIdentifier
from mxisd.matrix.signing import Signer, private_key_of, verify
from mxisd.matrix.threepid import email
from mxisd.net.errors import ConnectionFailed, OutboundError, TimedOut
from mxisd.net.http_client import HttpResponse
from mxisd.outbox.courier import Outcome
from mxisd.outbox.members import Members
from mxisd.outbox.onbind import MAX_TEXT, OnbindDelivery, judge
from mxisd.storage.records import Delivery
from tests.make import ALICE, clock_at, delivery, invite, result, signer_for
from tests.storage.inline import storage_in_memory
from tests.web.app import DOMAIN

SIGNER = signer_for(DOMAIN)
BOB = "@bob:elsewhere.example"
INVITE = invite(email("bob@example.com"), token="token", room_id="!opaque", sender=ALICE)


def answer(status: int, body: object = None, **headers: str) -> HttpResponse:
    raw = body if isinstance(body, bytes) else json.encode({} if body is None else body)
    return HttpResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


class Server:
    """A homeserver, at the end of all discovery."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.answer: HttpResponse | Exception = answer(200)

    async def onbind(self, server_name: str, body: Mapping[str, object], timeout: float) -> HttpResponse:
        self.heard.append((server_name, body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class OnbindTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = Server()
        self.clock = clock_at()
        self.members = Members(storage_in_memory().cooldowns, self.clock, told=True)
        self.courier = OnbindDelivery(self.server, SIGNER, self.members, self.clock)

    def delivery(self, token: str | None = "token") -> Delivery:
        return delivery(
            email("bob@example.com"),
            destination="elsewhere.example",
            token=token,
            user_id=BOB,
            created=2000,
        )

    def deliver(self, token: str | None = "token") -> Outcome:
        return result(self.courier.deliver(self.delivery(token), INVITE if token == INVITE.token else None))

    def assert_signed(self, content: Any) -> None:
        key = SIGNER.public_key(SIGNER.key_id)
        assert key is not None
        self.assertTrue(verify(content, DOMAIN, SIGNER.key_id, key))

    def test_the_invite_is_signed_by_the_key_that_was_published_with_it(self) -> None:
        newer = private_key_of("A" * 43, "newer")
        signer = Signer(DOMAIN, [newer, *SIGNER.keys])
        courier = OnbindDelivery(self.server, signer, self.members, self.clock)
        for kept, name in (
            (INVITE, "ed25519:newer"),
            (structs.replace(INVITE, key_id="ed25519:0"), "ed25519:0"),
            (structs.replace(INVITE, only_key="ed25519:0"), "ed25519:0"),
            (structs.replace(INVITE, key_id="ed25519:gone"), "ed25519:newer"),
        ):
            result(courier.deliver(self.delivery(), kept))
            body = self.server.heard[-1][1]
            self.assertEqual(list(body["invites"][0]["signed"]["signatures"][DOMAIN]), [name])
            self.assertEqual(list(body["signatures"][DOMAIN]), ["ed25519:newer"])

    def test_the_association_and_the_invite_each_signed(self) -> None:
        self.assertEqual(self.deliver(), Outcome("done", "200"))
        ((server, body),) = self.server.heard
        self.assertEqual(server, "elsewhere.example")
        self.assert_signed(body)
        self.assertEqual((body["medium"], body["address"], body["mxid"]), ("email", "bob@example.com", BOB))
        self.assertEqual((body["ts"], body["not_before"]), (2000, 2000))
        (invite,) = body["invites"]
        self.assert_signed(invite["signed"])
        self.assertEqual((invite["signed"]["mxid"], invite["signed"]["token"]), (BOB, "token"))
        del invite["signed"]
        self.assertEqual(
            invite,
            {
                "medium": "email",
                "address": "bob@example.com",
                "mxid": BOB,
                "room_id": "!opaque",
                "sender": "@alice:example.org",
            },
        )

    def test_each_attempt_says_the_same(self) -> None:
        self.deliver()
        self.deliver()
        self.assertEqual(self.server.heard[0], self.server.heard[1])

    def test_the_notice_of_a_binding_that_no_invite_waited_for(self) -> None:
        self.assertEqual(self.deliver(token=None).what, "done")
        self.assertEqual(self.server.heard[0][1]["invites"], [])

    def test_an_invite_that_is_gone(self) -> None:
        self.assertEqual(self.deliver("other").what, "moot")
        self.assertEqual(self.server.heard, [])

    def test_nobody_was_reached(self) -> None:
        for error in (ConnectionFailed("connection refused"), TimedOut("no answer from any name server")):
            self.server.answer = error
            self.assertEqual(self.deliver(), Outcome("later", str(error)))

    def test_it_may_have_been_acted_on(self) -> None:
        errors: list[OutboundError] = [ConnectionFailed("connection lost"), TimedOut("no answer within 300 seconds")]
        for error in errors:
            error.sent = True
            self.server.answer = error
            self.assertEqual(self.deliver(), Outcome("lost", str(error)))

    def test_a_server_that_cannot_be(self) -> None:
        self.server.answer = InvalidIdentifier("'x y' is not a server name")
        self.assertEqual(self.deliver().what, "refused")

    def test_a_homeserver_that_has_no_event_yet_is_told_again(self) -> None:
        invite = structs.replace(INVITE, created=now(self.clock))
        for status in (403, 404):
            self.server.answer = answer(status, {"errcode": "M_FORBIDDEN", "error": "Could not find invite"})
            deliver = self.courier.deliver
            self.assertEqual(result(deliver(self.delivery(), invite)).what, "later")
            self.clock.advance(59.875)
            self.assertEqual(result(deliver(self.delivery(), invite)).what, "later")
            self.clock.advance(0.125)
            outcome = result(deliver(self.delivery(), invite))
            self.assertEqual(outcome.what, "refused")
            self.assertIn("Could not find invite", outcome.answer)
            invite = structs.replace(INVITE, created=now(self.clock))
        self.server.answer = answer(400, {"errcode": "M_UNKNOWN"})
        self.assertEqual(result(deliver(self.delivery(), invite)).what, "refused")
        self.server.answer = answer(403, {"errcode": "M_FORBIDDEN"})
        self.assertEqual(self.deliver(token=None).what, "refused")

    def test_who_has_accepted_meanwhile_is_not_told_of(self) -> None:
        invite = structs.replace(INVITE, signed_by={BOB: 1})
        self.assertEqual(result(self.courier.deliver(self.delivery(), invite)).what, "moot")
        invite = structs.replace(INVITE, signed_by={ALICE: 1})
        self.assertEqual(result(self.courier.deliver(self.delivery(), invite)).what, "done")
        self.assertEqual(len(self.server.heard), 1)

    def test_who_is_in_the_room_is_not_told_of(self) -> None:
        result(self.members.watch(INVITE.room_id))
        result(self.members.saw(INVITE.room_id, BOB))
        self.assertEqual(self.deliver().what, "moot")
        self.assertEqual(self.server.heard, [])
        # It was the attempt without an outcome that has brought the user there.
        lost = structs.replace(self.delivery(), lost=1)
        self.assertEqual(result(self.courier.deliver(lost, INVITE)).what, "done")
        self.assertEqual(self.server.heard, [])
        result(self.members.left(INVITE.room_id, BOB))
        self.assertEqual(self.deliver().what, "done")
        self.assertEqual(len(self.server.heard), 1)

    def test_who_is_in_another_room_is(self) -> None:
        for room_id, user_id in (("!other", BOB), (INVITE.room_id, ALICE)):
            result(self.members.watch(room_id))
            result(self.members.saw(room_id, user_id))
        self.assertEqual(self.deliver().what, "done")


class JudgementTests(SynchronousTestCase):
    def test_by_status(self) -> None:
        for status, what in [
            (200, "done"),
            (202, "done"),
            (301, "later"),
            (400, "refused"),
            (401, "refused"),
            (403, "refused"),
            (404, "refused"),
            (408, "later"),
            (429, "later"),
            (500, "error"),
            (501, "later"),
            (502, "later"),
            (503, "later"),
            (504, "lost"),
            (524, "lost"),
            (525, "later"),
        ]:
            error = {"errcode": "M_FORBIDDEN", "error": "x"} if status >= 300 else {}
            self.assertEqual(judge(answer(status, error)).what, what, status)

    def test_keeps_what_was_said(self) -> None:
        body = {"errcode": "M_FORBIDDEN", "error": "Could not find invite"}
        self.assertEqual(judge(answer(403, body)).answer, "403 M_FORBIDDEN Could not find invite")
        self.assertEqual(judge(answer(502, b"<html>Bad Gateway</html>")).answer, "502")
        self.assertEqual(judge(answer(403, {"error": 7})).answer, "403")
        self.assertEqual(len(judge(answer(403, {"error": "x" * 9999})).answer), MAX_TEXT)

    def test_what_no_homeserver_says_is_not_final(self) -> None:
        page = b"<html><title>404 Not Found</title></html>"
        bodies: list[object] = [page, b"", {}, [], {"error": "no such route"}, {"errcode": 7}, b"\xff", b"[" * 10_000]
        for status in (400, 401, 403, 404, 405, 413, 415):
            for body in (*bodies, {"errcode": "M_UNRECOGNIZED", "error": "Unrecognized request"}):
                self.assertEqual(judge(answer(status, body)).what, "later", (status, body))

    def test_a_success_is_what_a_homeserver_says(self) -> None:
        page = b"<html>We are back in an hour.</html>"
        for body, what in [
            ({}, "done"),
            ({"more": 1}, "done"),
            (b' {"a": 1}\n', "done"),
            (page, "later"),
            (b"OK", "later"),
            (b"{", "later"),
            (b"\xff\xfe", "later"),
            # Whoever says so little may have acted.
            (b"", "lost"),
            (b" ", "lost"),
            (b"[]", "lost"),
            (b"null", "lost"),
            (b'"ok"', "lost"),
        ]:
            for status in (200, 202):
                self.assertEqual(judge(answer(status, body)).what, what, body)

    def test_how_long_to_wait(self) -> None:
        self.assertEqual(judge(answer(429, {"retry_after_ms": 1500})).retry_after, 1500)
        self.assertEqual(judge(answer(429, {"retry_after_ms": 1500}, retry_after="7")).retry_after, 7000)
        self.assertEqual(judge(answer(503, retry_after="7")).retry_after, 7000)
        self.assertEqual(judge(answer(503, retry_after="Tue, 24 Nov 2026 02:35:23 GMT")).retry_after, 0)
        self.assertEqual(judge(answer(429, {"retry_after_ms": -5})).retry_after, 0)
        self.assertEqual(judge(answer(429, {"retry_after_ms": 10**15})).retry_after, DAY)
        self.assertEqual(judge(answer(429, {"retry_after_ms": "soon"})), Outcome("later", "429"))
