import json

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Request

from mxisd.matrix.error import MatrixError
from mxisd.web.interception.api import VERSIONS
from mxisd.web.interception.body import read
from tests.make import result
from tests.web.interception.app import InterceptionTestCase

ROOM = "/_matrix/client/v3/rooms/!room:example.org"
THREEPID = {"medium": "email", "address": "bob@example.com"}
INVITE = THREEPID | {"id_server": "id.example.org", "id_access_token": "t"}
EVENT = {"display_name": "b…", "public_key": "k", "key_validity_url": "u"}
STATE = f"{ROOM}/state/m.room.third_party_invite"
THIRD_PARTY = {"type": "m.room.third_party_invite", "state_key": "x", "content": EVENT}


class EveryWayTests(InterceptionTestCase):
    """What needs the role is refused without it and passes with it, by every path."""

    def ways(self) -> list[tuple[str, str, object]]:
        found: list[tuple[str, str, object]] = []
        for version in VERSIONS:
            client = f"/_matrix/client/{version}"
            room = f"{client}/rooms/!room:example.org"
            found += [
                ("POST", f"{room}/invite", INVITE),
                ("PUT", f"{room}/invite/txn", INVITE),
                ("POST", f"{client}/createRoom", {"invite_3pid": [INVITE]}),
                ("PUT", f"{client}/createRoom/txn", {"invite_3pid": [INVITE]}),
                ("POST", f"{client}/createRoom", {"initial_state": [{"type": "m.room.name"}, THIRD_PARTY]}),
                ("PUT", f"{room}/state/m.room.third_party_invite/key", EVENT),
                ("PUT", f"{room}/state/m.room.third_party_invite", EVENT),
                ("PUT", f"{room}/state/m.room.third_party_invite/", EVENT),
                ("POST", f"{room}/send/m.room.third_party_invite", EVENT),
                ("PUT", f"{room}/send/m.room.third_party_invite/txn", EVENT),
            ]
        return found

    def test_refused_without_the_role_and_the_homeserver_sees_nothing(self) -> None:
        for method, path, body in self.ways():
            answer = self.request(method, path, body)
            self.assertEqual((answer.status, answer.json["errcode"]), (403, "M_FORBIDDEN"), path)
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")
        self.assertEqual(self.homeserver.judged(), [])

    def test_passes_with_the_role(self) -> None:
        for method, path, body in self.ways():
            self.homeserver.requests.clear()
            answer = self.request(method, path, body, token="staffs")
            self.assertEqual((answer.status, answer.json), (200, {"ok": True}), path)
            (seen,) = self.homeserver.judged()
            self.assertEqual((seen.method, seen.uri, json.loads(seen.body)), (method, path, body))

    def test_whose_token_is_wrong_hears_so_from_the_homeserver(self) -> None:
        for method, path, body in self.ways():
            for token in ("unknown", None):
                answer = self.request(method, path, body, token=token)
                self.assertEqual((answer.status, answer.json["errcode"]), (401, "M_UNKNOWN_TOKEN"), path)
                self.assertEqual(answer.headers["X-Homeserver"], "itself")
                self.assertNotIn("Access-Control-Allow-Origin", answer.headers)
        self.assertEqual(self.homeserver.judged(), [])

    def test_every_way_has_its_preflight(self) -> None:
        for _, path, _ in self.ways():
            answer = self.request("OPTIONS", path, token=None)
            self.assertEqual((answer.status, answer.headers["Access-Control-Allow-Origin"]), (200, "*"), path)
        self.assertEqual(self.homeserver.requests, [])


class UnjudgedTests(InterceptionTestCase):
    def test_other_requests_pass_without_asking_whose_they_are(self) -> None:
        for method, path, body in [
            ("POST", f"{ROOM}/invite", {"user_id": "@bob:example.com", "reason": "è"}),
            ("PUT", f"{ROOM}/invite/txn", {"user_id": "@bob:example.com"}),
            ("POST", "/_matrix/client/v3/createRoom", {"name": "n", "invite_3pid": [], "initial_state": []}),
            ("POST", "/_matrix/client/v3/createRoom", {"initial_state": [THIRD_PARTY | {"content": {}}]}),
            ("PUT", f"{STATE}/key", {}),
            ("PUT", f"{ROOM}/state/m.room.name", {"name": "x"}),
            ("PUT", f"{ROOM}/state/m.room.name/", {"name": "x"}),
            ("PUT", f"{ROOM}/send/m.room.message/txn", {"body": "m.room.third_party_invite"}),
        ]:
            self.homeserver.requests.clear()
            self.assertEqual(self.request(method, path, body).json, {"ok": True}, path)
            (seen,) = self.homeserver.requests
            self.assertEqual((seen.method, seen.uri, json.loads(seen.body)), (method, path, body))

    def test_requests_without_a_body_are_for_the_homeserver_to_refuse(self) -> None:
        self.request("POST", f"{ROOM}/invite")
        (seen,) = self.homeserver.requests
        self.assertEqual(seen.body, b"")

    def test_events_of_other_types_pass_byte_by_byte(self) -> None:
        self.request("PUT", f"{ROOM}/send/m.room.message/t", b'{"a":1, "a":2} ?', headers={"Content-Type": "x/y"})
        (seen,) = self.homeserver.requests
        self.assertEqual((seen.body, seen.headers["content-type"]), (b'{"a":1, "a":2} ?', ["x/y"]))

    def test_state_can_be_read(self) -> None:
        self.assertEqual(self.request("GET", f"{STATE}/key?format=event").json, {"ok": True})
        self.assertEqual(self.request("HEAD", f"{STATE}/key").status, 200)
        self.assertEqual([seen.method for seen in self.homeserver.requests], ["GET", "HEAD"])


class ForwardedTests(InterceptionTestCase):
    def test_what_was_judged_is_what_the_homeserver_gets(self) -> None:
        typed, judged = (
            {"id_server": "id.example.org", "medium": "email", "address": f"bob@{domain}"}
            for domain in ("Straße.example", "xn--strae-oqa.example")
        )
        for path, body, forwarded in [
            (f"{ROOM}/invite", typed, judged),
            ("/_matrix/client/v3/createRoom", {"invite_3pid": [typed, judged]}, {"invite_3pid": [judged, judged]}),
        ]:
            self.request("POST", path, body, token="staffs")
            self.assertEqual(json.loads(self.homeserver.judged()[-1].body), forwarded)


class BodyTests(InterceptionTestCase):
    def refused(self, body: bytes, path: str = f"{ROOM}/invite") -> None:
        answer = self.request("POST", path, body)
        self.assertEqual(answer.status, 400, body)
        self.assertEqual(self.homeserver.requests, [], body)

    def test_what_can_be_read_in_two_ways_is_refused(self) -> None:
        text = json.dumps(INVITE)
        for body in (
            b'{"user_id": "@b:c", "user_id": "@d:e"}',
            b'{"x": {"medium": 1, "medium": 2}}',
            text.encode("utf-16"),
            text.encode("utf-16-le"),
            b"\xef\xbb\xbf" + text.encode(),
            text.encode() + b"}",
            b"// comment\n" + text.encode(),
            b'{"user_id": NaN}',
            b'{"user_id": 1e999}',
            b'{"user_id": "\\ud800"}',
            b'{"user_id": "\xff"}',
            b'{"user_id": "\xc0\xa2"}',
            b"medium=email&address=bob@example.com",
            b"[]",
            b'"medium"',
            b"[" * 60000,
            b'{"n": ' + b"9" * 5000 + b"}",
        ):
            self.refused(body)

    def test_keys_that_a_lax_parser_takes_for_the_real_ones_are_refused(self) -> None:
        for key in ("Medium", "MEDIUM", "addreſs", "medium\\u0000", " medium", "\\u006dedium\\u200b", "me dium"):
            self.refused(b'{"user_id": "@b:c", "%s": "email"}' % key.encode())
        for body in (
            b'{"Invite_3pid": []}',
            b'{"initialState": [], "INITIAL_STATE": []}',
            b'{"invite_3pid": [{"medium": "email", "address": "a@b.example", "Address": "c@d.example"}]}',
            b'{"initial_state": [{"type": "m.room.name", "Type": "m.room.third_party_invite"}]}',
        ):
            self.refused(body, "/_matrix/client/v3/createRoom")

    def test_wrong_types_are_refused(self) -> None:
        for body in (
            b'{"medium": "email"}',
            b'{"address": "bob@example.com", "user_id": "@b:c"}',
            b'{"medium": null, "address": null, "user_id": "@b:c"}',
            b'{"medium": ["email"], "address": "bob@example.com"}',
            b'{"medium": "email", "address": "no address"}',
            b'{"medium": "pigeon", "address": "bob"}',
        ):
            self.refused(body)
        for body in (
            b'{"invite_3pid": {"medium": "email"}}',
            b'{"invite_3pid": null}',
            b'{"invite_3pid": ["medium"]}',
            b'{"initial_state": {"type": "m.room.third_party_invite"}}',
            b'{"initial_state": [["type", "m.room.third_party_invite"]]}',
        ):
            self.refused(body, "/_matrix/client/v3/createRoom")

    def test_an_invite_of_user_and_address_at_once_is_judged(self) -> None:
        self.assertEqual(self.request("POST", f"{ROOM}/invite", INVITE | {"user_id": "@bob:example.com"}).status, 403)
        self.assertEqual(self.homeserver.judged(), [])

    def test_escapes_and_content_types_hide_nothing(self) -> None:
        escaped = "".join(f"\\u{ord(letter):04x}" for letter in "medium")
        body = json.dumps(INVITE).replace("medium", escaped).encode()
        for headers in (
            {},
            {"Content-Type": "application/x-www-form-urlencoded"},
            {"Content-Type": "application/json; charset=utf-16"},
            {"Content-Type": "multipart/form-data; boundary=x"},
            {"Content-Encoding": "gzip"},
            {"X-HTTP-Method-Override": "GET"},
        ):
            self.assertEqual(self.request("POST", f"{ROOM}/invite", body, headers=headers).status, 403, headers)
        self.assertEqual(self.homeserver.judged(), [])

    def test_what_is_forwarded_says_what_it_is(self) -> None:
        headers = {
            "Content-Type": "text/plain; charset=utf-16",
            "Content-Encoding": "gzip",
            "X-HTTP-Method-Override": "DELETE",
            "Expect": "100-continue",
        }
        self.request("POST", f"{ROOM}/invite", INVITE, token="staffs", headers=headers)
        (seen,) = self.homeserver.judged()
        self.assertEqual(seen.headers["content-type"], ["application/json"])
        self.assertEqual(seen.headers["content-length"], [str(len(seen.body))])
        for name in ("content-encoding", "x-http-method-override", "expect"):
            self.assertNotIn(name, seen.headers)

    def test_chunks_are_put_together(self) -> None:
        body = json.dumps(INVITE).encode()
        chunks = b"".join(b"1;x=y\r\n%c\r\n" % byte for byte in body) + b"0\r\nMedium: x\r\n\r\n"
        head = f"POST {ROOM}/invite HTTP/1.1\r\nHost: matrix.example.org\r\nTransfer-Encoding: chunked\r\n"
        self.assertEqual(self.raw(head.encode() + b"Authorization: Bearer alices\r\n\r\n" + chunks).status, 403)
        self.assertEqual(self.raw(head.encode() + b"Authorization: Bearer staffs\r\n\r\n" + chunks).status, 200)
        (seen,) = self.homeserver.judged()
        self.assertEqual(json.loads(seen.body), INVITE)

    def test_large_bodies_are_refused(self) -> None:
        answer = self.request("POST", f"{ROOM}/invite", INVITE | {"pad": "x" * 65536}, token="staffs")
        self.assertEqual((answer.status, answer.json["errcode"]), (413, "M_TOO_LARGE"))
        self.assertEqual(self.homeserver.requests, [])

    def test_numbers_keep_their_value(self) -> None:
        for text in ("0", "-1", "9007199254740993", "123456789012345678901234567890", "1.5", "1e3"):
            self.homeserver.requests.clear()
            self.request("POST", f"{ROOM}/invite", b'{"user_id":"@b:c","n":%s}' % text.encode())
            (seen,) = self.homeserver.requests
            self.assertEqual(json.loads(seen.body)["n"], json.loads(text))


class PathTests(InterceptionTestCase):
    def test_other_spellings_mean_the_same(self) -> None:
        for path in (
            "/_matrix/client/v3/rooms/%21room%3Aexample.org/invite",
            "/_matrix/client/v3/rooms/!room:example.org/invite?",
            "/_matrix/client/v3/rooms/!room:example.org/invite?medium=&user_id=@b:c",
        ):
            self.assertEqual(self.request("POST", path, INVITE).status, 403, path)
        for path in (
            "/_matrix/client/v3/rooms/!room:example.org/state/m%2Eroom%2ethird_party%5finvite/key",
            "/_matrix/client/v3/rooms/!room:example.org/state/m.room.third_party_invite/..%2F..%2Fx",
            "/_matrix/client/v3/rooms/!room:example.org/state/m.room.third_party_invite/%23",
            "/_matrix/client/v3/rooms/state/state/m.room.third_party_invite/key",
        ):
            self.assertEqual(self.request("PUT", path, EVENT).status, 403, path)
        self.assertEqual(self.homeserver.judged(), [])

    def test_words_of_the_api_have_one_spelling(self) -> None:
        for path in (
            "/_matrix/client/v3/rooms/!room:example.org/%69nvite",
            "/%5Fmatrix/client/%76%33/rooms/!room:example.org/invit%65",
            "/_matrix/client/v3/%63reateRoom",
            "/_matrix/client/%763/login",
            "/_matrix/client/v3/%70rofile/@admin:example.org",
            "/_matrix/client/v3/register/email/%72equestToken",
            "/_matrix/client/v3/user_directory/sear%63h",
        ):
            answer = self.request("POST", path, INVITE, token="staffs")
            self.assertEqual((answer.status, answer.json["errcode"]), (404, "M_UNRECOGNIZED"), path)
        self.assertEqual(self.homeserver.requests, [])

    def test_what_is_forwarded_is_spelt_plainly(self) -> None:
        for path, forwarded in [
            ("/_matrix/client/v3/rooms/%21room%3aexample.org/invite?a=%2F", f"{ROOM}/invite?a=%2F"),
            (
                f"{ROOM}/invite/a%2fb%5c%3b%25%3f%23%c3%a4%20%%zz",
                f"{ROOM}/invite/a%2Fb%5C%3B%25%3F%23%C3%A4%20%25%25zz",
            ),
        ]:
            self.homeserver.requests.clear()
            self.request("PUT" if "/invite/" in path else "POST", path, {"user_id": "@b:c"})
            (seen,) = self.homeserver.requests
            self.assertEqual(seen.uri, forwarded)

    def test_what_can_be_read_in_two_ways_is_refused(self) -> None:
        for path in (
            "//_matrix/client/v3/rooms/!room:example.org/invite",
            "/_matrix/client/v3/rooms//!room:example.org/invite",
            "/_matrix/client/v3/rooms/!room:example.org//invite",
            "/_matrix/client/v3/rooms/!room:example.org/invite/",
            "/_matrix/client/v3/rooms/!room:example.org/x/../invite",
            "/_matrix/client/v3/rooms/!room:example.org/./invite",
            "/_matrix/client/v3/rooms/../invite",
            "/_matrix/client/v3/rooms/%2e%2E/invite",
            "/_matrix/client/v3/rooms/./invite",
            "/_matrix/client/v3/rooms/!room%00:example.org/invite",
            "/_matrix/client/v3/rooms/!room%0d%0a:example.org/invite",
            "/_matrix/client/v3/rooms/%ff/invite",
            "/_matrix/client/v3/rooms/!room:example.org%2F..%2Fx/invite",
            "/_matrix/client/v3/rooms/..%5c..%5Cx/invite",
            "/_matrix/client/v3/rooms/%c0%ae/invite",
            "/_matrix/client/v3/rooms/!room:example.org/INVITE",
            "/_matrix/client/v3/rooms/!room:example.org/invite;x",
            "/_matrix/client/v3/rooms/!room:example.org/invite#",
            "/_matrix/client/v3/rooms/!room:example.org/invite?a#b",
            "/_MATRIX/client/v3/rooms/!room:example.org/invite",
            "/_matrix/client/v9/rooms/!room:example.org/invite",
            "/_matrix/client/v3/createroom",
            "http://matrix.example.org/_matrix/client/v3/rooms/!room:example.org/invite",
        ):
            answer = self.request("POST", path, {"user_id": "@b:c"}, token="staffs")
            self.assertIn(answer.status, (400, 404), path)
            self.assertTrue(answer.json["errcode"].startswith("M_"), path)
        self.assertEqual(self.request("POST", f"{ROOM}/invite?\xe4", {"user_id": "@b:c"}).status, 400)
        self.assertEqual(self.homeserver.requests, [])

    def test_other_methods_are_refused(self) -> None:
        for method in ("GET", "PUT", "DELETE", "PATCH", "post", "TRACE"):
            self.assertEqual(self.request(method, f"{ROOM}/invite", INVITE).status, 405, method)
        self.assertEqual(self.homeserver.requests, [])


class SenderTests(InterceptionTestCase):
    def test_the_homeserver_is_shown_the_credentials_of_the_request(self) -> None:
        self.request("POST", f"{ROOM}/invite?access_token=staffs&x=%20", INVITE, token=None)
        whoami, invite = self.homeserver.requests
        self.assertEqual(whoami.uri.partition("?")[2], "access_token=staffs&x=%20")
        self.assertEqual(invite.uri.partition("?")[2], "access_token=staffs&x=%20")
        self.assertNotIn("content-type", whoami.headers)
        self.assertEqual(whoami.body, b"")

    def test_application_services_are_judged_as_the_user_they_act_for(self) -> None:
        self.assertEqual(self.request("POST", f"{ROOM}/invite?user_id=@staff:example.org", INVITE).status, 200)
        answer = self.request("POST", f"{ROOM}/invite?user_id=@alice:example.org", INVITE, token="staffs")
        self.assertEqual(answer.status, 403)

    def test_an_answer_that_names_nobody_lets_nobody_pass(self) -> None:
        for user in ("", "x" * 70_000):
            self.homeserver.users = {"staffs": user}
            answer = self.request("POST", f"{ROOM}/invite", INVITE, token="staffs")
            self.assertIn(answer.status, (403, 502))
        self.assertEqual(self.homeserver.judged(), [])


class ReadTests(SynchronousTestCase):
    def test_says_what_is_wrong(self) -> None:
        for body, errcode in [(b"{", "M_NOT_JSON"), (b"[]", "M_BAD_JSON"), (b'{"a":1,"a":1}', "M_NOT_JSON")]:
            self.assertEqual(self.assertRaises(MatrixError, read, body).errcode, errcode)


class InvitedByUserIdTests(InterceptionTestCase):
    """Whoever was invited by user ID is not invited by an address into the same room."""

    def setUp(self) -> None:
        super().setUp()
        result(self.parts.members.watch("!room:example.org"))

    def invite(self, body: object, token: str = "staffs") -> None:
        self.request("POST", f"{ROOM}/invite", body, token=token)

    def is_known(self) -> bool:
        return result(self.parts.members.has("!room:example.org", "@bob:example.org"))

    def test_is_noted_for_a_day(self) -> None:
        self.invite({"user_id": "@bob:example.org"})
        self.assertTrue(self.is_known())
        self.clock.advance(86_400)
        self.assertFalse(self.is_known())

    def test_not_if_the_homeserver_refuses(self) -> None:
        self.homeserver.answer = _refuse
        self.invite({"user_id": "@bob:example.org"})
        self.assertFalse(self.is_known())

    def test_nor_if_it_is_about_an_address(self) -> None:
        self.invite(INVITE | {"user_id": "@bob:example.org"})
        self.assertFalse(self.is_known())

    def test_odd_values_pass(self) -> None:
        odd: list[object] = [7, None, ["@bob:example.org"], {}]
        for user_id in odd:
            self.invite({"user_id": user_id})
        self.assertFalse(self.is_known())


def _refuse(request: Request) -> bytes:
    request.setResponseCode(403)
    return b'{"errcode":"M_FORBIDDEN","error":"no"}'
