import json

from twisted.web.server import Request

from mxisd.stores.profiles import PROFILE_TIMEOUT
from mxisd.stores.stores import Stores
from tests.web.interception.app import InterceptionTestCase, Response
from tests.web.interception.people import PEOPLE, Failing, Hanging, broken
from tests.web.interception.test_directory import says

CAROL = "@carol:example.org"
THREEPIDS = [{"medium": "email", "address": "carol@example.com"}, {"medium": "msisdn", "address": "4915112345678"}]
KNOWN = {"threepids": THREEPIDS, "roles": ["sales", "staff"]}


class ProfileTestCase(InterceptionTestCase):
    stores = Stores([PEOPLE])

    def setUp(self) -> None:
        super().setUp()
        self.theirs(b'{"displayname": "CC", "avatar_url": "mxc://a/b", "m.tz": "UTC"}')

    def theirs(self, body: bytes) -> None:
        """What the homeserver says of everybody."""

        def answer(request: Request) -> bytes:
            request.setHeader(b"X-Homeserver", b"itself")
            return body

        self.homeserver.answer = answer

    def profile(self, user_id: str = CAROL, token: str | None = "alices", version: str = "v3") -> Response:
        return self.request("GET", f"/_matrix/client/{version}/profile/{user_id}", token=token)


class ProfileTests(ProfileTestCase):
    def test_what_the_stores_know_is_added(self) -> None:
        for version in ("r0", "v3"):
            answer = self.profile(version=version)
            self.assertEqual(answer.json, {"displayname": "CC", "avatar_url": "mxc://a/b", "m.tz": "UTC"} | KNOWN)
            self.assertEqual(answer.headers["X-Homeserver"], "itself")

    def test_the_name_is_added_where_there_is_none(self) -> None:
        for body in (b"{}", b'{"displayname": null}'):
            self.theirs(body)
            self.assertEqual(self.profile().json, {"displayname": "Carol Example"} | KNOWN)

    def test_what_the_homeserver_says_stays(self) -> None:
        self.theirs(b'{"roles": [], "threepids": 1}')
        self.assertEqual(self.profile().json, {"roles": [], "threepids": 1, "displayname": "Carol Example"})

    def test_otherwise_the_answer_passes_unchanged(self) -> None:
        odd = b'{ "displayname":"\\u0043", "displayname": "C" }\n'
        for user_id, body in [
            ("@frank:example.org", b'{ "a":1 }'),
            ("@carol:else.example", b'{ "a":1 }'),
            (CAROL, odd),
        ]:
            self.theirs(body)
            self.assertEqual(self.profile(user_id).body, body)
        for status in (403, 404, 500):
            self.homeserver.answer = says(status, b'{ "errcode":"M_NOT_FOUND" }')
            answer = self.profile()
            self.assertEqual((answer.status, answer.body), (status, b'{ "errcode":"M_NOT_FOUND" }'))

    def test_a_head_has_no_body(self) -> None:
        answer = self.request("HEAD", f"/_matrix/client/v3/profile/{CAROL}")
        self.assertEqual((answer.status, answer.body, self.homeserver.requests[-1].method), (200, b"", "HEAD"))

    def test_only_users_see_it(self) -> None:
        for token in (None, "unknown", "guests"):
            self.assertEqual(
                self.profile(token=token).json, {"displayname": "CC", "avatar_url": "mxc://a/b", "m.tz": "UTC"}
            )


class PublicTests(ProfileTestCase):
    public_profiles = True

    def test_everybody_sees_it(self) -> None:
        for token in (None, "unknown", "guests", "alices"):
            self.assertEqual(self.profile(token=token).json["threepids"], THREEPIDS)
        self.assertEqual(len(self.homeserver.requests), len(self.homeserver.judged()))


class FailureTests(ProfileTestCase):
    stores = Stores([broken(Failing()), PEOPLE])

    def test_what_other_stores_know_is_added(self) -> None:
        # Not the roles: without those of the store that failed they would be wrong.
        self.assertEqual(self.profile().json["threepids"], THREEPIDS)
        self.assertNotIn("roles", self.profile().json)
        self.flushLoggedErrors(ConnectionError)


class HangingTests(ProfileTestCase):
    stores = Stores([broken(Hanging()), PEOPLE])

    def test_a_store_that_says_nothing_is_not_waited_for_forever(self) -> None:
        channel, transport = self.connect()
        head = f"GET /_matrix/client/v3/profile/{CAROL} HTTP/1.1\r\nHost: matrix.example.org\r\n"
        channel.dataReceived(head.encode() + b"Authorization: Bearer alices\r\n\r\n")
        self.agent.flush()
        self.assertEqual(transport.value(), b"")
        self.clock.advance(PROFILE_TIMEOUT)
        body = json.loads(transport.value().partition(b"\r\n\r\n")[2])
        self.assertEqual(body["threepids"], THREEPIDS)
        self.flushLoggedErrors()
