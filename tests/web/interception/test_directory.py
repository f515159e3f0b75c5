import json
from collections.abc import Callable
from typing import Any

from twisted.web.server import NOT_DONE_YET, Request

from mxisd.config.interception import Exclude
from mxisd.stores.search import SEARCH_TIMEOUT
from mxisd.stores.stores import Stores
from tests.web.interception.app import InterceptionTestCase, Response
from tests.web.interception.people import PEOPLE, Failing, Hanging, broken

SEARCH = "/_matrix/client/v3/user_directory/search"
FRANK = {"user_id": "@frank:example.org", "display_name": "Frank Example", "avatar_url": "mxc://example.org/frank"}
CAROL = {"user_id": "@carol:example.org", "display_name": "Carol Example"}
DAN = {"user_id": "@dan:example.org", "display_name": "Dan Example"}


def finds(*results: object, limited: bool = False) -> Callable[[Request], bytes]:
    """A homeserver that finds these."""
    return lambda _: json.dumps({"results": results, "limited": limited}).encode()


def says(status: int, body: bytes = b'{"errcode":"M_HERS","error":"hers"}') -> Callable[[Request], bytes]:
    def answer(request: Request) -> bytes:
        request.setResponseCode(status)
        return body

    return answer


def hangs(request: Request) -> int:
    return NOT_DONE_YET


class DirectoryTestCase(InterceptionTestCase):
    stores = Stores([PEOPLE])

    def setUp(self) -> None:
        super().setUp()
        self.homeserver.answer = finds()

    def search(self, term: str, token: str | None = "alices", **more: object) -> Response:
        return self.request("POST", SEARCH, {"search_term": term, **more}, token=token)

    def found(self, term: str, **more: Any) -> list[str]:
        """Who is found, by their localparts."""
        answer = self.search(term, **more)
        self.assertEqual(answer.status, 200, answer.body)
        return [result["user_id"].removeprefix("@").removesuffix(":example.org") for result in answer.json["results"]]


class SearchTests(DirectoryTestCase):
    def test_homeserver_and_stores_take_turns(self) -> None:
        self.homeserver.answer = finds(FRANK, {"user_id": "@grace:example.org", "display_name": None, "x": 1})
        self.assertEqual(
            self.search("example").json,
            {"results": [FRANK, CAROL, {"user_id": "@grace:example.org", "x": 1}, DAN], "limited": False},
        )

    def test_who_is_known_to_both_is_found_once_and_as_they_chose_to_be_called(self) -> None:
        cases: list[tuple[dict[str, Any], dict[str, Any]]] = [
            ({"display_name": "CC"}, {"display_name": "CC"}),
            ({"display_name": None, "avatar_url": "mxc://a/b"}, CAROL | {"avatar_url": "mxc://a/b"}),
        ]
        for theirs, shown in cases:
            self.homeserver.answer = finds({"user_id": "@carol:example.org", **theirs})
            self.assertEqual(self.search("carol").json["results"], [CAROL | shown])

    def test_addresses_find_users(self) -> None:
        self.assertEqual(self.found("CAROL@example.com"), ["carol"])
        self.assertEqual(self.found("4915112345678"), ["carol"])
        self.assertNotIn("carol@example.com", json.dumps(self.search("carol@example.com").json))

    def test_the_at_of_a_user_id_is_no_part_of_names(self) -> None:
        self.assertEqual(self.found("@carol"), ["carol"])

    def test_nobody_reads_the_whole_directory(self) -> None:
        for term in ("", " ", "@", "\t"):
            self.assertEqual(self.found(term), [])

    def test_the_homeserver_sees_the_request_of_the_client(self) -> None:
        self.search("frank", limit=3, other=[1])
        (seen,) = self.homeserver.judged()
        self.assertEqual((seen.method, seen.uri), ("POST", SEARCH))
        self.assertEqual(json.loads(seen.body), {"search_term": "frank", "limit": 3, "other": [1]})
        self.assertEqual(seen.headers["authorization"], ["Bearer alices"])
        self.assertNotIn("accept-encoding", seen.headers)

    def test_both_generations(self) -> None:
        for version in ("r0", "v3"):
            path = SEARCH.replace("v3", version)
            answer = self.request("POST", path, {"search_term": "dan"})
            self.assertEqual((answer.json["results"], self.homeserver.requests[-1].uri), ([DAN], path))


class LimitTests(DirectoryTestCase):
    def test_no_more_than_asked_for(self) -> None:
        self.homeserver.answer = finds(FRANK)
        for limit, names, limited in [
            (4, ["frank", "carol", "dan"], False),
            (3, ["frank", "carol", "dan"], False),
            (2, ["frank", "carol"], True),
            (1, ["frank"], True),
            (0, [], True),
            (-1, [], True),
        ]:
            answer = self.search("example", limit=limit)
            self.assertEqual((self.found("example", limit=limit), answer.json["limited"]), (names, limited), limit)

    def test_ten_if_nothing_is_said(self) -> None:
        self.homeserver.answer = finds(*({"user_id": f"@u{number}:example.org"} for number in range(20)))
        self.assertEqual(len(self.found("u")), 10)
        self.assertEqual(len(self.found("u", limit=1000)), 20)

    def test_what_the_homeserver_left_out_is_left_out(self) -> None:
        self.homeserver.answer = finds(FRANK, limited=True)
        self.assertTrue(self.search("frank").json["limited"])

    def test_wrong_bodies_are_refused(self) -> None:
        for body, errcode in [
            ({}, "M_MISSING_PARAMS"),
            ({"search_term": 1}, "M_INVALID_PARAM"),
            ({"search_term": "a", "limit": "many"}, "M_INVALID_PARAM"),
            ({"search_term": "a", "limit": True}, "M_INVALID_PARAM"),
            ([], "M_BAD_JSON"),
            (b"search_term=a", "M_NOT_JSON"),
        ]:
            answer = self.request("POST", SEARCH, body)
            self.assertEqual((answer.status, answer.json["errcode"]), (400, errcode), body)
        self.assertEqual(self.homeserver.requests, [])


class AccessTests(DirectoryTestCase):
    def test_without_a_good_token_the_homeserver_has_its_say(self) -> None:
        for token in ("unknown", None):
            answer = self.search("example", token=token)
            self.assertEqual((answer.status, answer.json["errcode"]), (401, "M_UNKNOWN_TOKEN"))
            self.assertEqual(answer.headers["X-Homeserver"], "itself")
            self.assertNotIn(b"carol", answer.body)

    def test_guests_cannot_search(self) -> None:
        answer = self.search("example", token="guests")
        self.assertEqual((answer.status, answer.json["errcode"]), (403, "M_GUEST_ACCESS_FORBIDDEN"))


class RefusalTests(DirectoryTestCase):
    def test_what_the_homeserver_refuses_is_refused(self) -> None:
        for status in (400, 401, 403, 429):
            self.homeserver.answer = says(status)
            answer = self.search("example")
            self.assertEqual((answer.status, answer.json), (status, {"errcode": "M_HERS", "error": "hers"}))


class FailureTests(DirectoryTestCase):
    stores = Stores([broken(Failing()), PEOPLE, broken(Hanging())])

    def search(self, term: str, token: str | None = "alices", **more: object) -> Response:
        """What there is when the time is up."""
        channel, transport = self.connect()
        body = json.dumps({"search_term": term}).encode()
        head = f"POST {SEARCH} HTTP/1.1\r\nHost: matrix.example.org\r\nAuthorization: Bearer {token}\r\n"
        channel.dataReceived(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.agent.flush()
        self.assertEqual(transport.value(), b"")
        self.clock.advance(SEARCH_TIMEOUT)
        self.agent.flush()
        self.flushLoggedErrors()
        status, _, rest = transport.value().partition(b"\r\n")
        return Response(int(status.split()[1]), "", {}, rest.partition(b"\r\n\r\n")[2])  # type: ignore[arg-type]

    def test_a_store_that_fails_or_hangs_loses_nobody_elses_results(self) -> None:
        self.homeserver.answer = finds(FRANK)
        self.assertEqual(self.found("example"), ["frank", "carol", "dan"])

    def test_nor_does_the_homeserver(self) -> None:
        answers: list[Callable[[Request], Any]] = [
            says(500),
            says(502, b"<html>"),
            says(404),
            says(200, b"<html>"),
            says(200, b'{"results": {}}'),
            says(200, b'{"results": [{}, {"user_id": 1}]}'),
            says(200, b"[" * 100_000),
            hangs,
        ]
        for self.homeserver.answer in answers:
            self.assertEqual(self.found("example"), ["carol", "dan"])


class ExcludeHomeserverTests(AccessTests):
    exclude = Exclude(homeserver=True)

    def test_only_stores_are_searched(self) -> None:
        self.homeserver.answer = finds(FRANK)
        self.assertEqual(self.found("example"), ["carol", "dan"])
        self.assertEqual(self.homeserver.judged(), [])


class ExcludeThreePidTests(DirectoryTestCase):
    exclude = Exclude(threepid=True)

    def test_addresses_find_nobody(self) -> None:
        self.assertEqual(self.found("carol@example.com"), [])
        self.assertEqual(self.found("carol"), ["carol"])
