"""Policies, with a real Synapse behind a real nginx with the rules that we ship."""

from __future__ import annotations

import atexit
import json
import socket
import ssl
from functools import cache
from http.client import HTTPResponse
from typing import Any
from urllib.parse import quote, urlsplit

from twisted.trial.unittest import SynchronousTestCase

from mxisd.web.interception.api import VERSIONS
from tests.integration.deployment import Deployment
from tests.integration.matrix_client import CLIENT, V1, V2, User

POLICIES: dict[str, Any] = {
    "invite": {
        "policy": {
            "ifSender": {"hasRole": ["staff"]},
            "rules": [{"action": "deny", "sender": ["@trainee:*"], "address": ["*@rival.example"]}],
            "token": "Synapse's token",
        }
    },
    "register": {
        "policy": {
            "threepid": {
                "email": {"domain": {"whitelist": ["allowed.example"], "blacklist": ["blocked.example"]}},
                "msisdn": {"pattern": {"whitelist": ["49.*"]}},
            }
        }
    },
    # The staff of these tests invites more in a minute than people do; one address is not invited more often.
    "rateLimit": {"invitePerSender": {"burst": 1000, "per": "1s"}},
    "memory": {
        "enabled": True,
        "identities": [{"username": name, "password": "x", "roles": ["staff"]} for name in ("staff", "trainee")],
    },
}
EVENT = {"display_name": "b…", "public_key": "k", "key_validity_url": "https://id.example.org"}
KIND = "m.room.third_party_invite"
# Where Synapse serves these paths.
SYNAPSE = [version for version in VERSIONS if version != "v1"]


@cache
def deployment() -> tuple[Deployment, User, User, User]:
    """The one of this module; with users who may invite all addresses, some, and none."""
    made = Deployment(POLICIES)
    atexit.register(made.stop)
    return made, made.user("staff"), made.user("trainee"), made.user("guest")


class InterceptionTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.here, self.staff, self.trainee, self.guest = deployment()

    def send(
        self, method: str, uri: str, body: object, token: str | None, url: str = "", **headers: str
    ) -> tuple[int, Any]:
        """Send a request whose URI, and body if that is bytes, are exactly these; status and JSON of the answer."""
        parts = urlsplit(url or self.here.url)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"Host": parts.netloc, "Connection": "close", "Content-Length": str(len(content))}
        if token is not None:
            fields["Authorization"] = f"Bearer {token}"
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = f"{method} {uri} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        connection = socket.create_connection((parts.hostname or "", parts.port or 0))
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=self.here.ca_file)
            connection = context.wrap_socket(connection, server_hostname=parts.hostname)
        with connection:
            connection.sendall(head.encode("latin-1") + b"\r\n" + content)
            answer = HTTPResponse(connection, method=method)
            answer.begin()
            text = answer.read()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    def threepid(self, user: User, address: str = "bob@example.com") -> dict[str, str]:
        server = {"id_server": self.here.id_server, "id_access_token": user.identity_token}
        return {"medium": "email", "address": address, **server}

    def ways(self, user: User, room: str) -> list[tuple[str, str, object]]:
        """Every way to invite an address."""
        found: list[tuple[str, str, object]] = []
        state = {"type": KIND, "state_key": "token", "content": EVENT}
        for number, version in enumerate(SYNAPSE):
            client = f"/_matrix/client/{version}"
            in_room = f"{client}/rooms/{quote(room)}"
            by_post, by_put, with_room = (
                self.threepid(user, f"{way}-{number}@example.com") for way in ("post", "put", "room")
            )
            found += [
                ("POST", f"{in_room}/invite", by_post),
                ("PUT", f"{in_room}/invite/txn-{number}", by_put),
                ("POST", f"{client}/createRoom", {"invite_3pid": [with_room]}),
                ("POST", f"{client}/createRoom", {"initial_state": [state]}),
                ("PUT", f"{client}/createRoom/txn-{number}", {"initial_state": [state]}),
                ("PUT", f"{in_room}/state/{KIND}/{version.replace('/', '')}", EVENT),
                ("PUT", f"{in_room}/state/{KIND}", EVENT),
                ("PUT", f"{in_room}/state/m.room.third%5Fparty_invite/..%2F..%2F..%2Fx", EVENT),
                ("PUT", f"{in_room}/send/{KIND}/txn-{number}", EVENT),
            ]
        return found

    def seen(self) -> list[str]:
        """The requests that Synapse has answered, other than those for whose they are."""
        lines = [line for line in self.here.synapse.log.splitlines() if "Processed request" in line]
        return [line for line in lines if "/account/whoami" not in line]


class EveryWayTests(InterceptionTestCase):
    def test_without_the_role_nothing_reaches_the_homeserver(self) -> None:
        room = self.guest.create_room()
        before = self.seen()
        for method, uri, body in self.ways(self.guest, room):
            status, answer = self.send(method, uri, body, self.guest.homeserver.token)
            self.assertEqual((status, answer["errcode"]), (403, "M_FORBIDDEN"), uri)
        self.assertEqual(self.seen(), before)
        self.assertEqual(self.guest.state(room, KIND), [])

    def test_with_the_role_everything_passes(self) -> None:
        room = self.staff.create_room()
        for method, uri, body in self.ways(self.staff, room):
            # A key that mxisd would not forward, since it could be read as a path.
            uri = uri.replace("..%2F..%2F..%2Fx", "a%2Fb")
            status, answer = self.send(method, uri, body, self.staff.homeserver.token)
            self.assertEqual(status, 200, (uri, answer))
        self.assertEqual(len(self.staff.state(room, KIND)), 2 * len(SYNAPSE) + len(SYNAPSE) + 2)

    def test_rules_hold_for_those_with_the_role(self) -> None:
        room = self.trainee.create_room()
        for address, expected in [("Eve@Rival.example", 403), ("eve@example.com", 200)]:
            body, token = self.threepid(self.trainee, address), self.trainee.homeserver.token
            status, answer = self.send("POST", f"{CLIENT}/rooms/{quote(room)}/invite", body, token)
            self.assertEqual(status, expected, answer)
        self.assertEqual(len(self.trainee.state(room, KIND)), 1)

    def test_tokens_are_for_the_homeserver_to_judge(self) -> None:
        for method, uri, body in self.ways(self.guest, "!room:matrix.test"):
            for token, errcode in [("unknown", "M_UNKNOWN_TOKEN"), (None, "M_MISSING_TOKEN")]:
                status, answer = self.send(method, uri, body, token)
                self.assertEqual((status, answer["errcode"]), (401, errcode), uri)

    def test_tokens_in_the_query_count_the_same(self) -> None:
        room = self.guest.create_room()
        uri = f"{CLIENT}/rooms/{quote(room)}/invite?access_token="
        self.assertEqual(self.send("POST", uri + self.guest.homeserver.token, self.threepid(self.guest), None)[0], 403)
        self.assertEqual(self.send("POST", uri + "unknown", self.threepid(self.guest), None)[0], 401)

    def test_too_many_invites_are_told_in_true_words(self) -> None:
        """Whether mxisd stands in front or Synapse asks it: the user reads that it is the number, and when to go on."""
        for url, status in (("", 429), (self.here.synapse.url, 403)):
            body = self.threepid(self.staff, f"flooded-{status}@example.com")
            answers = []
            for _ in range(11):
                room = self.staff.create_room()
                uri = f"{CLIENT}/rooms/{quote(room)}/invite"
                answers.append(self.send("POST", uri, body, self.staff.homeserver.token, url))
            self.assertEqual({answered for answered, _ in answers[:10]}, {200})
            answered, answer = answers[10]
            self.assertEqual((answered, answer["errcode"]), (status, "M_LIMIT_EXCEEDED"), answer)
            self.assertEqual(self.staff.state(room, KIND), [])


class EvasionTests(InterceptionTestCase):
    def test_no_spelling_invites_an_address(self) -> None:
        room, other = self.guest.create_room(), self.guest.create_room()
        body = self.threepid(self.guest)
        text = json.dumps(body)
        in_room = f"{CLIENT}/rooms/{quote(room)}"
        attempts: list[tuple[str, str, object, dict[str, str]]] = []
        for uri in (
            f"{in_room}/invite/",
            f"{in_room}//invite",
            f"//{in_room[1:]}/invite",
            f"{in_room}/./invite",
            f"{in_room}/x/../invite",
            f"{in_room}/%69nvite",
            f"{in_room}/invite%2F",
            f"{in_room}/Invite",
            f"{in_room}/invite;x",
            f"{in_room}/invite#",
            f"{in_room}/invite%00",
            f"/%5Fmatrix/client/v3/rooms/{quote(room)}/invite",
            f"/_matrix/client/v3/rooms/{quote(other)}%2F..%2F{quote(room)}/invite",
            f"https://localhost{in_room}/invite",
            f"{in_room}/invite?user_id=@staff:matrix.test",
        ):
            attempts += [("POST", uri, body, {}), ("PUT", uri, body, {})]
        for uri in (
            f"{in_room}/invite/..%2F..%2Fx",
            f"{in_room}/invite/%23",
            f"{in_room}/invite/a?b#c",
            f"{in_room}/state/{KIND}/",
            f"{in_room}/state/{KIND}/%2E%2E%2F%2E%2E",
            f"{in_room}/state/m%2Eroom%2Ethird%5Fparty%5Finvite/k",
            f"{in_room}/state/%6D.room.third_party_invite",
            f"{in_room}/state/{KIND}/k?org.matrix.msc4140.delay=1",
        ):
            attempts.append(("PUT", uri, body, {}))
        uri = f"{in_room}/invite"
        for written in (
            f'{{"user_id":"{self.staff.user_id}",{text[1:]}'.encode(),
            f'{{"medium":null,"address":null,{text[1:]}'.encode(),
            text.encode("utf-16"),
            b"\xef\xbb\xbf" + text.encode(),
            text.replace("medium", "\\u006dedium").encode(),
            text.replace('"medium"', '"Medium"').encode(),
        ):
            attempts.append(("POST", uri, written, {}))
        for headers in (
            {"Content_Type": "text/plain"},
            {"Content_Type": "application/x-www-form-urlencoded"},
            {"Content_Type": "application/json; charset=utf-16"},
            {"Content_Encoding": "gzip"},
            {"X_HTTP_Method_Override": "GET"},
            {"Connection": "close, Authorization"},
            {"Host": "evil.example"},
            {"X_Forwarded_Host": "evil.example"},
        ):
            attempts.append(("POST", uri, body, headers))
        before = len(self.seen())
        for method, attempt, content, headers in attempts:
            status, answer = self.send(method, attempt, content, self.guest.homeserver.token, **headers)
            self.assertGreaterEqual(status, 400, (attempt, content, headers, answer))
            self.assertLess(status, 500, (attempt, content, headers, answer))
        # Not even Synapse's own check was needed: what it got, it took for no invite of an address.
        for line in self.seen()[before:]:
            self.assertRegex(line, r"B (400|404|405)!? \"")
        for each in (room, other):
            self.assertEqual(self.guest.state(each, KIND), [])


class UntouchedTests(InterceptionTestCase):
    def test_invites_by_user_id_and_everything_else(self) -> None:
        room = self.guest.create_room()
        in_room, token = f"{CLIENT}/rooms/{quote(room)}", self.guest.homeserver.token
        for method, uri, body in [
            ("POST", f"{in_room}/invite", {"user_id": self.staff.user_id, "reason": "because"}),
            ("PUT", f"{in_room}/send/m.room.message/1", {"msgtype": "m.text", "body": KIND}),
            ("PUT", f"{in_room}/send/m%2Eroom%2Emessage/2", {"msgtype": "m.text", "body": "x"}),
            ("PUT", f"{in_room}/state/m.room.topic/", {"topic": "x"}),
            ("PUT", f"{in_room}/state/org%2Eexample%2Eodd/https%3A%2F%2Fexample.org%2Finvite", {"a": 1}),
            ("PUT", f"{in_room}/state/{KIND}/token", {}),
            ("POST", f"{CLIENT}/createRoom", {"invite": [self.staff.user_id], "initial_state": [], "name": "x"}),
        ]:
            status, answer = self.send(method, uri, body, token)
            self.assertEqual(status, 200, (uri, answer))
        self.assertIn(room, self.staff.rooms("invite"))
        self.staff.homeserver.post(f"{CLIENT}/join/{quote(room)}")
        self.assertIn(room, self.staff.rooms("join"))
        self.assertEqual(self.guest.homeserver.get(f"{in_room}/state/{KIND}/token"), {})

    def test_errors_are_the_homeservers(self) -> None:
        for body in ({"user_id": "nobody"}, {}, {"reason": "x"}):
            uri = f"{CLIENT}/rooms/!nowhere:matrix.test/invite"
            through = self.send("POST", uri, body, self.guest.homeserver.token)
            straight = self.send("POST", uri, body, self.guest.homeserver.token, self.here.synapse.url)
            self.assertEqual(through, straight)
            self.assertGreaterEqual(through[0], 400)


class RegistrationTests(InterceptionTestCase):
    def test_only_invited_and_listed_addresses(self) -> None:
        room = self.staff.create_room()
        invited = self.threepid(self.staff, "invited@example.com")
        self.assertEqual(
            self.send("POST", f"{CLIENT}/rooms/{quote(room)}/invite", invited, self.staff.homeserver.token)[0], 200
        )
        for version in SYNAPSE[1:]:
            for address, passes in [
                ("invited@example.com", True),
                ("anyone@allowed.example", True),
                ("other@example.com", False),
                ("anyone@sub.allowed.example", False),
            ]:
                before = self.seen()
                body = {"client_secret": "s", "email": address, "send_attempt": 1}
                _, answer = self.send("POST", f"/_matrix/client/{version}/register/email/requestToken", body, None)
                # This Synapse sends no mail, and says so.
                self.assertEqual(answer["errcode"] == "M_THREEPID_DENIED", not passes, (version, address, answer))
                self.assertEqual(len(self.seen()) - len(before), int(passes))

    def is_open_to(self, address: str) -> bool:
        body = {"client_secret": "s", "email": address, "send_attempt": 1}
        _, answer = self.send("POST", f"{CLIENT}/register/email/requestToken", body, None)
        return bool(answer["errcode"] != "M_THREEPID_DENIED")

    def store(self, api: str, room: str, address: str, sender: str, token: str | None = None) -> int:
        body = {"medium": "email", "address": address, "room_id": room, "sender": sender}
        return self.send("POST", f"{api}/store-invite", body, token)[0]

    def test_strangers_invite_nobody_to_register(self) -> None:
        room = self.staff.create_room()
        address = "evil@rival.example"
        for api, sender, token, status in [
            (V1, self.staff.user_id, None, 200),
            (V1, "@evil:rival.example", None, 403),
            (V2, self.staff.user_id, self.guest.identity_token, 403),
            (V2, self.staff.user_id, None, 401),
        ]:
            self.assertEqual(self.store(api, room, address, sender, token), status, (api, sender))
            self.assertFalse(self.is_open_to(address), (api, sender))
        self.assertEqual(self.store(V2, room, address, self.staff.user_id, self.staff.identity_token), 200)
        self.assertTrue(self.is_open_to(address))

    def test_no_invite_lifts_the_blacklist(self) -> None:
        room, address = self.staff.create_room(), "evil@blocked.example"
        invite = self.threepid(self.staff, address)
        uri = f"{CLIENT}/rooms/{quote(room)}/invite"
        self.assertEqual(self.send("POST", uri, invite, self.staff.homeserver.token)[0], 200)
        self.assertFalse(self.is_open_to(address))

    def test_a_homeserver_without_a_token_is_believed_what_was_judged(self) -> None:
        room = self.staff.create_room()
        for number, url in enumerate((self.here.url, self.here.synapse.url)):
            address = f"judged-{number}@example.com"
            self.assertEqual(self.store(V1, room, address, self.staff.user_id), 200)
            self.assertFalse(self.is_open_to(address))
            # This Synapse needs a token, and gets a wrong one: it stores nothing itself.
            invite = self.threepid(self.staff, address) | {"id_access_token": "unknown"}
            uri = f"{CLIENT}/rooms/{quote(room)}/invite"
            self.assertGreaterEqual(self.send("POST", uri, invite, self.staff.homeserver.token, url)[0], 400)
            self.assertFalse(self.is_open_to(address))
            self.assertEqual(self.store(V1, room, address, self.staff.user_id), 200)
            self.assertTrue(self.is_open_to(address), url)

    def test_sessions_for_an_account_are_for_those_who_have_one(self) -> None:
        token = self.staff.homeserver.token
        for version in SYNAPSE[1:]:
            for address, as_user, passes in [
                ("other@example.com", None, False),
                ("other@example.com", "unknown", False),
                ("anyone@allowed.example", None, True),
                ("other@example.com", token, True),
                ("other@blocked.example", token, True),
            ]:
                before = self.seen()
                body = {"client_secret": "s", "email": address, "send_attempt": 1}
                uri = f"/_matrix/client/{version}/account/3pid/email/requestToken"
                _, answer = self.send("POST", uri, body, as_user)
                self.assertEqual(answer["errcode"] == "M_THREEPID_DENIED", not passes, (version, address, answer))
                self.assertEqual(len(self.seen()) - len(before), int(passes))

    def test_phone_numbers_that_the_homeserver_has_us_validate(self) -> None:
        german, british = ("DE", "01511 2345678"), ("GB", "020 7946 0000")
        by_account = f"{CLIENT}/account/3pid/msisdn/requestToken"
        for uri, number, as_user, status in [
            (f"{V1}/validate/msisdn/requestToken", british, None, 403),
            (f"{V1}/validate/msisdn/requestToken", german, None, 200),
            (by_account, british, None, 403),
            (by_account, british, "unknown", 403),
            (by_account, german, None, 200),
            (f"{CLIENT}/register/msisdn/requestToken", british, None, 403),
            (f"{CLIENT}/register/msisdn/requestToken", german, None, 200),
            # A user of ours adds any number, by way of Synapse, which asks mxisd without a token.
            (by_account, british, self.guest.homeserver.token, 200),
            (f"{V2}/validate/msisdn/requestToken", british, self.guest.identity_token, 200),
        ]:
            country, digits = number
            body = {"client_secret": "s", "country": country, "phone_number": digits, "send_attempt": 1}
            answered, answer = self.send("POST", uri, body, as_user)
            self.assertEqual(answered, status, (uri, number, answer))
            if status == 403:
                self.assertEqual(answer["errcode"], "M_THREEPID_DENIED")


class ModuleTests(InterceptionTestCase):
    """Synapse asks mxisd itself, whatever way a request has taken."""

    def test_refuses_without_the_role(self) -> None:
        room = self.guest.create_room()
        for method, uri, body in self.ways(self.guest, room):
            if "/send/" in uri:
                continue  # such an event is no state, and invites nobody
            status, answer = self.send(method, uri, body, self.guest.homeserver.token, self.here.synapse.url)
            self.assertEqual((status, answer["errcode"]), (403, "M_FORBIDDEN"), uri)
        self.assertEqual(self.guest.state(room, KIND), [])

    def test_a_refused_new_room_is_not_made(self) -> None:
        rooms = set(self.trainee.rooms("join"))
        allowed, refused = (self.threepid(self.trainee, f"new@{domain}.example") for domain in ("friend", "rival"))
        for body in (
            {"invite_3pid": [refused]},
            {"invite_3pid": [allowed, refused]},
            {"initial_state": [{"type": KIND, "state_key": "token", "content": EVENT}]},
        ):
            status, answer = self.send(
                "POST", f"{CLIENT}/createRoom", body, self.trainee.homeserver.token, self.here.synapse.url
            )
            self.assertEqual((status, answer["errcode"]), (403, "M_FORBIDDEN"), body)
        self.assertEqual(set(self.trainee.rooms("join")), rooms)

    def test_lets_those_pass_who_may(self) -> None:
        room = self.trainee.create_room()
        in_room = f"{CLIENT}/rooms/{quote(room)}"
        for method, uri, body, expected in [
            ("POST", f"{in_room}/invite", self.threepid(self.trainee, "module@example.com"), 200),
            ("POST", f"{in_room}/invite", self.threepid(self.trainee, "module@rival.example"), 403),
            ("PUT", f"{in_room}/state/{KIND}/k", {}, 200),
            ("PUT", f"{in_room}/state/{KIND}/k", EVENT, 403),
            ("PUT", f"{in_room}/state/m.room.name", {"name": "x"}, 200),
            ("POST", f"{CLIENT}/createRoom", {"invite_3pid": [self.threepid(self.trainee, "m2@example.com")]}, 200),
        ]:
            status, answer = self.send(method, uri, body, self.trainee.homeserver.token, self.here.synapse.url)
            self.assertEqual(status, expected, (uri, answer))
