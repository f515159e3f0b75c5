"""``internal/bind`` and ``internal/unbind``, on a listener of their own."""

from __future__ import annotations

from typing import Any

from msgspec import json

from mxisd.matrix import signing
from mxisd.matrix.threepid import email
from mxisd.web.identity.internal import InternalEndpoints
from mxisd.web.site import tree
from tests.make import invite, result
from tests.web.app import DOMAIN, V1, V2, AppTestCase, Response
from tests.web.client import Treq

ALICE = "@alice:example.org"
ASKED = {"medium": "email", "address": "Alice@Example.com", "mxid": ALICE}
INTERNAL = "/_matrix/identity/internal"


class InternalTests(AppTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client: Any = Treq(tree(InternalEndpoints(self.app.parts.threepids.bindings).endpoints()))

    def ask(self, action: str, **changes: object) -> Response:
        asked = json.encode(ASKED | changes)
        answer = self.successResultOf(self.client.post(f"https://localhost{INTERNAL}/{action}", data=asked))
        return Response(answer.code, answer.headers, self.successResultOf(answer.content()))

    def test_bound_and_found_and_unbound(self) -> None:
        waiting = invite(email("alice@example.com"))
        result(self.app.storage.invites.add(waiting, resend_before=0))
        answer = self.ask("bind")
        self.assertEqual(
            (answer.status, answer.json["address"], answer.json["mxid"]), (200, "alice@example.com", ALICE)
        )
        key = self.app.signer.public_key("ed25519:0")
        self.assertTrue(signing.verify(answer.json, DOMAIN, "ed25519:0", key or ""))
        looked_up = self.get(f"{V1}/lookup", query={"medium": "email", "address": "alice@example.com"})
        self.assertEqual(looked_up.json, answer.json)
        ended = result(self.app.storage.invites.get(waiting.token))
        self.assertEqual(ended and ended.ended, "bound")
        for _ in range(2):
            self.assertEqual((self.ask("unbind").status, self.ask("unbind").json), (200, {}))
        self.assertEqual(self.get(f"{V1}/lookup", query={"medium": "email", "address": "alice@example.com"}).json, {})

    def test_others_keep_theirs(self) -> None:
        self.ask("bind")
        self.assertEqual(self.ask("unbind", mxid="@bob:example.org").status, 200)
        self.assertEqual(result(self.app.storage.bindings.users_of([email("alice@example.com")])).popitem()[1], ALICE)

    def test_what_is_refused(self) -> None:
        for action in ("bind", "unbind"):
            for changes, status, code in (
                ({"address": "nowhere"}, 400, "M_INVALID_PARAM"),
                ({"medium": "telex"}, 400, "M_INVALID_PARAM"),
                ({"mxid": "alice"}, 400, "M_INVALID_PARAM"),
                ({"mxid": "@alice:elsewhere.example"}, 403, "M_FORBIDDEN"),
                ({"mxid": None}, 400, "M_INVALID_PARAM"),
            ):
                self.assert_error(self.ask(action, **changes), status, code, origin=None)

    def test_nobody_reaches_it_at_the_public_listener(self) -> None:
        for action in ("bind", "unbind"):
            for path in (f"{INTERNAL}/{action}", f"{V2}/internal/{action}", f"{V1}/internal/{action}"):
                self.assert_error(self.post(path, json=ASKED), 404, "M_UNRECOGNIZED")
        self.assertFalse([path for path in self.app.endpoints if "internal/" in path and path.startswith("/_matrix/")])

    def test_pages_in_a_browser_are_refused(self) -> None:
        """It reaches what is on its machine, and sends forms, and JSON as text, without asking first."""
        headers = {"Origin": "https://elsewhere.example", "Content-Type": "text/plain"}
        url = f"https://localhost{INTERNAL}/bind"
        answer = self.successResultOf(self.client.post(url, data=json.encode(ASKED), headers=headers))
        self.assertEqual(answer.code, 403)
        self.assertFalse(answer.headers.hasHeader("Access-Control-Allow-Origin"))
        self.assertEqual(result(self.app.storage.bindings.users_of([email("alice@example.com")])), {})
