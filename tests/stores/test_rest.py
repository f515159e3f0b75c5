"""The ``rest`` store, on an HTTP server."""

from __future__ import annotations

import json
from datetime import timedelta

from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from mxisd.config.interception import Exclude
from mxisd.config.stores import Rest, RestEndpoints, RestIdentity, RestProfile
from mxisd.lookup.circuit_breaker import FAILURES, CircuitBreaker
from mxisd.lookup.source import Unavailable, Unusable
from mxisd.matrix.threepid import EMAIL, MSISDN, ThreePid
from mxisd.net.dns import Resolver
from mxisd.net.http_client import HttpClient
from mxisd.net.networks import ANYWHERE
from mxisd.net.tls import Trust
from mxisd.reactor import installed_reactor
from mxisd.stores.rest import RestFailed, RestStore
from mxisd.stores.search import StoreSearch, merged
from mxisd.stores.store import Entry, Profile, Store, are_more
from mxisd.stores.stores import Stores
from tests.net.servers import Server
from tests.stores import contract
from tests.stores.api import Api
from tests.stores.people import ALICE, BOB, DOMAIN, as_data

reactor = installed_reactor()

EMAIL_OF_ALICE = ThreePid(EMAIL, "alice@example.org")

PATHS = {
    b"/_mxisd/backend/api/v1/auth/login": "auth",
    b"/_mxisd/backend/api/v1/directory/user/search": "search",
    b"/_mxisd/backend/api/v1/identity/single": "single",
    b"/_mxisd/backend/api/v1/identity/bulk": "bulk",
    b"/_mxisd/backend/api/v1/profile/displayName": "display_name",
    b"/_mxisd/backend/api/v1/profile/threepids": "threepids",
    b"/_mxisd/backend/api/v1/profile/roles": "roles",
}


class ApiResource(Resource):
    """Answers from :mod:`tests.stores.api`, or with ``answer`` if that is set: a status and a body."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self._api = Api(as_data())
        self.asked: list[str] = []
        self.base = b"/_mxisd/"
        self.answer: tuple[int, bytes] | None = None

    def render_POST(self, request: Request) -> bytes:
        if not request.path.startswith(self.base):
            self.asked.append("")
            request.setResponseCode(404)
            return b""
        question = PATHS[request.path.replace(self.base, b"/_mxisd/")]
        self.asked.append(question)
        if self.answer is not None:
            status, body = self.answer
            request.setResponseCode(status)
            return body
        assert request.content is not None
        return json.dumps(self._api.answer(question, json.load(request.content))).encode()


class RestCase(contract.StoreCase):
    endpoints = RestEndpoints()

    async def build(self) -> Store:
        self.api = ApiResource()
        server = Server(reactor, Site(self.api))
        self.addCleanup(server.stop)
        http = HttpClient(reactor, Resolver(reactor, [("127.0.0.1", 9)]), Trust(), ANYWHERE)
        config = Rest(enabled=True, host=f"http://127.0.0.1:{server.port}", endpoints=self.endpoints)
        return RestStore(config, http, self.user_ids).offered()


class RestTests(
    RestCase,
    contract.SourceContract,
    contract.ProfilesContract,
    contract.DirectoryContract,
    contract.AuthenticationContract,
):
    async def test_asks_for_many_addresses_at_once(self) -> None:
        threepids = [*ALICE.threepids, *BOB.threepids]
        await self.source.lookup(threepids)
        await self.source.lookup(threepids[:1])
        self.assertEqual(self.api.asked, ["bulk", "single"])

    def answers(self, content: object, status: int = 200) -> None:
        """What the API says from now on: JSON, or the bytes of a body."""
        self.api.answer = (status, content if isinstance(content, bytes) else json.dumps(content).encode())

    async def look_up(self, id_: object) -> str | None:
        """Whom a lookup finds by an ``id``."""
        self.answers({"lookup": {"id": id_}})
        return (await self.source.lookup([EMAIL_OF_ALICE])).get(EMAIL_OF_ALICE)

    async def log_in(self) -> Profile | None:
        return await self.authentication.authenticate(ALICE.user_id, ALICE.password)

    async def test_nobody_can_be_said_in_several_ways(self) -> None:
        for status, body in (
            (204, b""),
            (400, b"{}"),
            (404, b"no such user"),
            (200, b""),
            (200, b"{}"),
            (200, b"null"),
        ):
            self.answers(body, status)
            self.assertEqual(await self.source.lookup([EMAIL_OF_ALICE]), {})
            self.assertEqual(await self.source.lookup([*ALICE.threepids]), {})
            self.assertEqual(await self.profiles.roles(ALICE.user_id), ())
            self.assertIsNone(await self.profiles.display_name(ALICE.user_id))
            self.assertEqual(list(await self.directory.search_by_name("x", 1)), [])
            self.assertIsNone(await self.log_in())
        self.answers({"lookup": None})
        self.assertEqual(await self.source.lookup([EMAIL_OF_ALICE]), {})
        self.assertEqual(await self.source.lookup([*ALICE.threepids]), {})

    async def test_a_refused_login_is_a_failed_one(self) -> None:
        for status in (400, 401, 403, 404, 409, 422, 429):
            self.answers({"error": "wrong password"}, status)
            self.assertIsNone(await self.log_in())

    async def test_errors_of_the_server_are_failures(self) -> None:
        self.answers({}, 500)
        for asked in (
            self.source.lookup([EMAIL_OF_ALICE]),
            self.profiles.roles(ALICE.user_id),
            self.directory.search_by_name("x", 1),
            self.log_in(),
        ):
            with self.assertRaises(RestFailed):
                await asked

    async def test_answers_of_another_form_cannot_be_used(self) -> None:
        for body in (b"[]", b'{"lookup": []}', b'{"lookup": {"id": "alice"}}', b"\xff", b"{" * 5000, b"<html>"):
            self.answers(body)
            with self.assertRaises(Unusable):
                await self.source.lookup([EMAIL_OF_ALICE])
        for status in (302, 401, 403, 429):
            self.answers({}, status)
            with self.assertRaises(Unusable):
                await self.source.lookup([EMAIL_OF_ALICE])
        with self.assertRaises(Unusable):
            await self.look_up({"type": "email", "value": "alice"})

    async def test_a_bad_record_switches_nobody_else_off(self) -> None:
        guarded = CircuitBreaker(self.source, reactor, timedelta(seconds=60))
        self.answers({"lookup": {"id": {"type": "nothing", "value": "alice"}}})
        for _ in range(2 * FAILURES):
            with self.assertRaises(Unavailable):
                await guarded.lookup([EMAIL_OF_ALICE])
        self.api.answer = None
        self.assertEqual(await guarded.lookup([EMAIL_OF_ALICE]), {EMAIL_OF_ALICE: ALICE.user_id})

    async def test_users_are_read_as_they_are_meant(self) -> None:
        elsewhere = "@Alice:elsewhere.example"
        for id_, user_id in (
            ({"type": "localpart", "value": 1234}, f"@1234:{DOMAIN}"),
            ({"type": "Localpart", "value": "Alice"}, f"@alice:{DOMAIN}"),
            ({"type": "UID", "value": "alice"}, f"@alice:{DOMAIN}"),
            ({"type": "MXID", "value": elsewhere}, elsewhere),
            ({"type": "uid", "value": elsewhere}, elsewhere),
            ({"type": "localpart", "value": elsewhere}, elsewhere),
            ({"type": "user", "value": elsewhere}, elsewhere),
            ({"type": 7, "value": elsewhere}, elsewhere),
            ({"value": elsewhere}, elsewhere),
            (None, None),
            ({}, None),
            ({"type": "localpart"}, None),
            ({"type": "localpart", "value": "\ud800"}, f"@=ef=bf=bd:{DOMAIN}"),
        ):
            self.assertEqual(await self.look_up(id_), user_id, id_)

    async def test_a_byte_order_mark_is_no_part_of_an_answer(self) -> None:
        self.answers(b'\xef\xbb\xbf{"lookup": {"id": {"type": "localpart", "value": "alice"}}}')
        self.assertEqual(await self.source.lookup([EMAIL_OF_ALICE]), {EMAIL_OF_ALICE: ALICE.user_id})

    async def test_one_bad_entry_is_left_out_by_itself(self) -> None:
        good = {"medium": "msisdn", "address": 4915112345678, "id": {"type": "localpart", "value": 7}}
        asked = [EMAIL_OF_ALICE, ThreePid(MSISDN, "4915112345678")]
        for bad in (
            None,
            "alice",
            {"medium": "email"},
            {"medium": "email", "address": ["alice@example.org"], "id": good["id"]},
            {**EMAIL_OF_ALICE._asdict(), "id": "alice"},
            {**EMAIL_OF_ALICE._asdict(), "id": {"type": "nothing", "value": "alice"}},
        ):
            self.answers({"lookup": [bad, good]})
            with capturedLogs() as events:
                self.assertEqual(await self.source.lookup(asked), {asked[1]: f"@7:{DOMAIN}"})
            lines = [formatEvent(event) or "" for event in events if event["log_level"] > LogLevel.debug]
            self.assertEqual(len([line for line in lines if "left out" in line]), 1, bad)
            self.assertNotIn("alice@example.org", "".join(lines))

    async def test_profiles_are_read_as_they_are_meant(self) -> None:
        threepids = [None, {"medium": "msisdn"}, {"medium": "msisdn", "address": 4915112345678}]
        roles = ["staff", 7, None, {"name": "x"}, True]
        self.answers({"profile": {"display_name": 5, "threepids": threepids, "roles": roles}})
        self.assertEqual(await self.profiles.display_name(ALICE.user_id), "5")
        self.assertEqual(await self.profiles.threepids(ALICE.user_id), (ThreePid(MSISDN, "4915112345678"),))
        self.assertEqual(await self.profiles.roles(ALICE.user_id), ("staff", "7", "true"))
        # Whoever cannot be told the roles must not be taken for one without any.
        self.answers({"profile": {"roles": "staff"}})
        with self.assertRaises(Unusable):
            await self.profiles.roles(ALICE.user_id)

    async def test_logins_are_read_as_they_are_meant(self) -> None:
        threepids = [None, {"medium": "email", "address": "alice@example.org"}]
        for success in (True, "true", "True"):
            self.answers({"auth": {"success": success, "profile": {"display_name": 5, "three_pids": threepids}}})
            self.assertEqual(await self.log_in(), Profile(ALICE.user_id, "5", (EMAIL_OF_ALICE,)))
        refusals: tuple[object, ...] = (False, "false", "yes", None, 1, {})
        for refused in refusals:
            self.answers({"auth": {"success": refused}})
            self.assertIsNone(await self.log_in())

    async def test_searches_are_read_as_they_are_meant(self) -> None:
        results = [None, {"display_name": "x"}, {"user_id": 7, "display_name": 5, "avatar_url": []}]
        for limited in (True, "true", False):
            self.answers({"limited": limited, "results": results})
            found = await self.directory.search_by_name("x", 5)
            self.assertEqual(list(found), [Entry(f"@7:{DOMAIN}", "5")])
            self.assertEqual(are_more(found), bool(limited))
        search = StoreSearch(Stores([self.store]), Exclude(), reactor)
        self.answers({"limited": True, "results": results})
        _, limited = merged([], await search.find("x", 5), 5)
        self.assertTrue(limited)

    async def test_takes_no_answer_for_what_was_not_asked(self) -> None:
        others = {"medium": "email", "address": "b@example.org", "id": {"type": "localpart", "value": "b"}}
        self.api.answer = (200, json.dumps({"lookup": [others]}).encode())
        guarded = CircuitBreaker(self.source, Clock(), timedelta(seconds=1))
        self.assertEqual(await guarded.lookup([*ALICE.threepids]), {})

    async def test_takes_no_user_id_that_is_none(self) -> None:
        for user in ({"type": "mxid", "value": "alice"}, {"type": "localpart", "value": ""}):
            answer = {"lookup": {"medium": "email", "address": "alice@example.org", "id": user}}
            self.api.answer = (200, json.dumps(answer).encode())
            self.assertEqual(await self.source.lookup([ThreePid(EMAIL, "alice@example.org")]), {})


class OnlySingleTests(RestCase, contract.SourceContract):
    endpoints = RestEndpoints(identity=RestIdentity(bulk=""))


class OnlyBulkTests(RestCase, contract.SourceContract):
    endpoints = RestEndpoints(identity=RestIdentity(single=""))


class DefaultPathsTests(RestCase):
    """An API that was written for ma1sd, where nothing else is configured."""

    async def test_are_those_of_ma1sd_where_those_of_mxisd_are_not_there(self) -> None:
        assert self.store.source and self.store.authentication
        self.api.base = b"/_ma1sd/"
        self.api.answer = (404, b"")
        # Nobody, or no such path?  Both are asked until one of them answers.
        self.assertEqual(await self.store.source.lookup([EMAIL_OF_ALICE]), {})
        self.api.answer = None
        for _ in range(2):
            found = await self.store.source.lookup([EMAIL_OF_ALICE])
            self.assertEqual(found, {EMAIL_OF_ALICE: ALICE.user_id})
        self.assertEqual(self.api.asked, ["", "single"] * 2 + ["single"])
        self.assertIsNotNone(await self.store.authentication.authenticate(ALICE.user_id, ALICE.password))

    async def test_are_those_of_mxisd_once_they_have_answered(self) -> None:
        assert self.store.source
        await self.store.source.lookup([EMAIL_OF_ALICE])
        self.api.answer = (404, b"")
        self.assertEqual(await self.store.source.lookup([EMAIL_OF_ALICE]), {})
        self.assertEqual(self.api.asked, ["single", "single"])


class ConfiguredPathsTests(RestCase):
    endpoints = RestEndpoints(identity=RestIdentity(single="/_mxisd/mine"))

    async def test_are_the_only_ones(self) -> None:
        assert self.store.source
        self.api.base = b"/_ma1sd/"
        self.assertEqual(await self.store.source.lookup([EMAIL_OF_ALICE]), {})
        self.assertEqual(self.api.asked, [""])


class SwitchedOffTests(RestCase):
    endpoints = RestEndpoints(
        auth="",
        directory="",
        identity=RestIdentity(single="", bulk=""),
        profile=RestProfile(display_name="", threepids=""),
    )

    async def test_empty_endpoints_are_not_asked(self) -> None:
        store = self.store
        self.assertEqual((store.source, store.directory, store.authentication), (None, None, None))
        assert store.profiles
        self.assertIsNone(await store.profiles.display_name(ALICE.user_id))
        self.assertEqual(list(await store.profiles.threepids(ALICE.user_id)), [])
        self.assertEqual(await store.profiles.roles(ALICE.user_id), ALICE.roles)
        self.assertEqual(self.api.asked, ["roles"])
