"""The ``rest`` store, on an HTTP server."""

from __future__ import annotations

import json
from datetime import timedelta

from twisted.internet.task import Clock
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from mxisd.config.stores import Rest, RestEndpoints, RestIdentity, RestProfile
from mxisd.lookup.circuit_breaker import CircuitBreaker
from mxisd.matrix.threepid import EMAIL, ThreePid
from mxisd.net.dns import Resolver
from mxisd.net.errors import OutboundError
from mxisd.net.http_client import HttpClient
from mxisd.net.networks import ANYWHERE
from mxisd.net.tls import Trust
from mxisd.reactor import installed_reactor
from mxisd.stores.bodies import BadAnswer
from mxisd.stores.rest import RestFailed, RestStore
from mxisd.stores.store import Store
from tests.net.servers import Server
from tests.stores import contract
from tests.stores.api import Api
from tests.stores.people import ALICE, BOB, as_data

reactor = installed_reactor()

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
        self.answer: tuple[int, bytes] | None = None

    def render_POST(self, request: Request) -> bytes:
        question = PATHS[request.path]
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

    async def test_other_statuses_than_nobody_are_failures(self) -> None:
        threepid = ThreePid(EMAIL, "alice@example.org")
        self.api.answer = (404, b"")
        self.assertEqual(await self.source.lookup([threepid]), {})
        self.assertEqual(await self.profiles.roles(ALICE.user_id), ())
        self.assertIsNone(await self.authentication.authenticate(ALICE.user_id, ALICE.password))
        self.api.answer = (401, b"")
        self.assertIsNone(await self.authentication.authenticate(ALICE.user_id, ALICE.password))
        self.api.answer = (500, b"{}")
        for asked in (
            self.source.lookup([threepid]),
            self.profiles.roles(ALICE.user_id),
            self.directory.search_by_name("x", 1),
            self.authentication.authenticate(ALICE.user_id, ALICE.password),
        ):
            with self.assertRaises(RestFailed):
                await asked

    async def test_answers_of_another_form_are_failures(self) -> None:
        for body in (b"", b"[]", b'{"lookup": []}', b'{"lookup": {"id": "alice"}}', b"\xff", b"{" * 5000):
            self.api.answer = (200, body)
            with self.assertRaises(OutboundError):
                await self.source.lookup([ThreePid(EMAIL, "alice@example.org")])
        self.api.answer = (200, b'{"lookup": {"id": {"type": "email", "value": "alice"}}}')
        with self.assertRaises(BadAnswer):
            await self.source.lookup([ThreePid(EMAIL, "alice@example.org")])

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
        self.assertEqual(await store.profiles.roles(ALICE.user_id), list(ALICE.roles))
        self.assertEqual(self.api.asked, ["roles"])
