"""The homeserver and nobody else tells the application service what happens."""

from __future__ import annotations

from typing import Any

from msgspec import json
from twisted.web.resource import Resource

from mxisd.appservice.events import Event
from mxisd.appservice.transactions import Transactions
from mxisd.web.homeserver.appservice import AppServiceEndpoints, paths
from mxisd.web.site import tree
from tests.appservice.case import Case
from tests.appservice.homeserver import EXPIRY, MAIN
from tests.net.http_server.memory import Server
from tests.web.client import Treq

V1 = "/_matrix/app/v1"
TOKEN = "hs token"


class Witness:
    def __init__(self) -> None:
        self.seen: list[Event] = []

    async def see(self, event: Event) -> None:
        self.seen.append(event)


class AppServiceTests(Case):
    def setUp(self) -> None:
        super().setUp()
        self.witness = Witness()
        transactions = Transactions(self.storage.transactions, [self.witness], self.clock)
        self.tree: Resource = tree(paths(AppServiceEndpoints(transactions, self.users, TOKEN)))
        self.client: Any = Treq(self.tree)

    def request(self, method: str, path: str, authorization: str | None = f"Bearer {TOKEN}", body: Any = None) -> Any:
        """Status and JSON."""
        headers = {} if authorization is None else {"Authorization": authorization}
        pending = self.client.request(method, f"https://id.example.org{path}", headers=headers, data=json.encode(body))
        self.client.flush()
        response = self.successResultOf(pending)
        return response.code, json.decode(self.successResultOf(response.content()))

    def event(self, event_id: str = "$1") -> dict[str, str]:
        return {"type": "m.room.topic", "room_id": "!room:example.org", "sender": "@a:b.c", "event_id": event_id}

    def test_events_are_taken_once(self) -> None:
        for _ in range(2):
            self.assertEqual(self.request("PUT", f"{V1}/transactions/1", body={"events": [self.event()]}), (200, {}))
        self.assertEqual([event.event_id for event in self.witness.seen], ["$1"])

    def test_the_paths_of_old_homeservers(self) -> None:
        body = {"events": [self.event()]}
        self.assertEqual(self.request("PUT", f"/transactions/1?access_token={TOKEN}", None, body), (200, {}))
        self.assertEqual(len(self.witness.seen), 1)
        self.assertEqual(self.request("GET", f"/users/{MAIN}?access_token={TOKEN}", None), (200, {}))
        self.assertEqual(self.request("GET", f"/rooms/%23x:example.org?access_token={TOKEN}", None)[0], 404)

    def test_our_users_are_made_when_they_are_asked_for(self) -> None:
        self.assertEqual(self.request("GET", f"{V1}/users/{EXPIRY}"), (200, {}))
        self.assertIn(EXPIRY, self.fake.registered)

    def test_other_users_and_rooms_are_not_ours(self) -> None:
        for path in ("users/@bob:example.org", "rooms/%23room:example.org"):
            status, answer = self.request("GET", f"{V1}/{path}")
            self.assertEqual((status, answer["errcode"]), (404, "M_NOT_FOUND"))

    def test_a_user_who_cannot_be_made(self) -> None:
        self.fake.down = True
        self.assertEqual(self.request("GET", f"{V1}/users/{EXPIRY}")[0], 502)

    def test_ping(self) -> None:
        self.assertEqual(self.request("POST", f"{V1}/ping", body={"transaction_id": "x"}), (200, {}))

    def test_every_path_asks_for_the_token_before_anything_else(self) -> None:
        for method, path in [
            ("PUT", f"{V1}/transactions/1"),
            ("GET", f"{V1}/users/{MAIN}"),
            ("GET", f"{V1}/rooms/x"),
            ("POST", f"{V1}/ping"),
            ("PUT", "/transactions/1"),
            ("GET", f"/users/{MAIN}"),
            ("GET", "/rooms/x"),
        ]:
            for authorization, query, status, errcode in [
                (None, "", 401, "M_UNAUTHORIZED"),
                ("Bearer wrong", "", 403, "M_FORBIDDEN"),
                ("Bearer tökën", "", 403, "M_FORBIDDEN"),
                ("Bearer", "", 403, "M_FORBIDDEN"),
                (f"Basic {TOKEN}", "", 403, "M_FORBIDDEN"),
                (None, "?access_token=wrong", 403, "M_FORBIDDEN"),
                ("Bearer wrong", f"?access_token={TOKEN}", 403, "M_FORBIDDEN"),
                (f"Bearer {TOKEN}", "?access_token=wrong", 403, "M_FORBIDDEN"),
            ]:
                given, answer = self.request(method, path + query, authorization)
                self.assertEqual((given, answer["errcode"]), (status, errcode), (path, authorization, query))

    def test_both_forms_of_the_token_together(self) -> None:
        self.assertEqual(self.request("POST", f"{V1}/ping?access_token={TOKEN}"), (200, {}))

    def test_a_body_that_is_no_transaction(self) -> None:
        bodies: list[Any] = [None, [], {}, {"events": {}}]
        for body in bodies:
            self.assertEqual(self.request("PUT", f"{V1}/transactions/1", body=body)[0], 400, body)

    def test_unknown_paths_and_methods(self) -> None:
        for method, path, status in [
            ("POST", f"{V1}/transactions/1", 405),
            ("GET", f"{V1}/thirdparty/protocol/x", 404),
            ("PUT", f"{V1}/transactions/1/2", 404),
        ]:
            given, answer = self.request(method, path)
            self.assertEqual((given, answer["errcode"]), (status, "M_UNRECOGNIZED"))

    def test_a_transaction_may_be_large(self) -> None:
        for path, status in ((f"{V1}/transactions/1", b"200"), ("/transactions/2", b"200"), (f"{V1}/ping", b"413")):
            body = json.encode({"events": [self.event() | {"content": {"body": "x" * 60_000}}] * 50})
            channel, transport = Server(self.tree).connect()
            method = b"POST" if path.endswith("ping") else b"PUT"
            head = b"%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n"
            channel.dataReceived(head % (method, path.encode(), TOKEN.encode(), len(body)))
            channel.dataReceived(body)
            self.assertEqual(transport.value().split(b" ", 2)[1], status)
