"""For whom other servers are asked."""

from __future__ import annotations

from ipaddress import ip_network
from itertools import count
from typing import Any

from msgspec import json
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mxisd.config import Config
from mxisd.config.lookup import Bridge, Federation, Lookup, Recursive
from mxisd.config.matrix import Matrix
from mxisd.matrix.hashing import digest
from mxisd.net.networks import Network
from mxisd.server import build_parts
from mxisd.web.client import Clients
from mxisd.web.endpoint import Call, Endpoint, Handler
from mxisd.web.identity.invite import InviteEndpoints
from mxisd.web.identity.lookup import LookupEndpoints
from mxisd.web.site import tree
from tests.ends import MemoryCore
from tests.lookup.book import ALICE, email
from tests.make import result
from tests.matrix.fakes import FakeHttp, answer
from tests.web.app import Mailbox
from tests.web.client import Treq

ANNA = email("anna")
# Only other servers know her.
ASKED = "http://bridge/_matrix/identity/api/v1/lookup?medium=email&address=anna%40example.com"
# Where the requests of a StubTreq come from.
PROXY = ip_network("127.0.0.1/32")


def as_alice(handler: Handler) -> Handler:
    """What a request is with an access token."""

    async def with_account(call: Call) -> object:
        call.user_id = ALICE
        return await handler(call)

    return with_account


class RequesterTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.start([PROXY])

    def start(self, trusted: list[Network], *, bulk: bool = True) -> None:
        bridge = Bridge(enabled=True, server="http://bridge")
        recursive = Recursive(
            allowed_cidr=(ip_network("10.0.0.0/8"),), federation=Federation(enabled=False), bridge=bridge
        )
        config = Config(matrix=Matrix(domain="example.org"), lookup=Lookup(recursive=recursive))
        core: Any = MemoryCore(config, Clock())
        core.admin_http = FakeHttp()
        core.admin_http.answers["GET", ASKED] = answer({"medium": "email", "address": ANNA.address, "mxid": ALICE})
        self.storage, self.rooms = core.storage, count()
        parts = build_parts(core, Mailbox())
        endpoints = LookupEndpoints(
            parts.lookups.recursion, parts.lookups.hashed, Clients(trusted), parts.limits, core.reactor, bulk=bulk
        )
        inviting = InviteEndpoints(parts.invites, Clients(trusted), core.signer, "https://id.example.org")
        self.client: Any = Treq(
            tree(
                {
                    "/lookup": Endpoint(GET=endpoints.single),
                    "/bulk_lookup": Endpoint(POST=endpoints.bulk),
                    "/v2/hash_details": Endpoint(GET=endpoints.hash_details),
                    "/v2/lookup": Endpoint(POST=endpoints.hashed),
                    "/store-invite": Endpoint(POST=inviting.store_v1),
                    "/v2/store-invite": Endpoint(POST=as_alice(inviting.store_v2)),
                }
            )
        )

    def request(self, method: str, path: str, forwarded: list[str], body: object = None) -> Any:
        data = None if body is None else json.encode(body)
        pending = self.client.request(
            method, f"https://id.example.org{path}", data=data, headers={"X-Forwarded-For": forwarded}
        )
        self.client.flush()
        return json.decode(self.successResultOf(self.successResultOf(pending).content()))

    def is_found(self, *forwarded: str) -> bool:
        """Whether a client is told what only other servers know; by all ways of asking alike."""
        single = self.request("GET", "/lookup?medium=email&address=anna@example.com", list(forwarded))
        bulk = self.request("POST", "/bulk_lookup", list(forwarded), {"threepids": [ANNA]})
        pepper = self.request("GET", "/v2/hash_details", [])["lookup_pepper"]
        asked = {"algorithm": "none", "pepper": pepper, "addresses": [f"{ANNA.address} email"]}
        plain = self.request("POST", "/v2/lookup", list(forwarded), asked)
        given = [self.is_given(f"{version}/store-invite", list(forwarded)) for version in ("", "/v2")]
        found = {bool(single), bool(bulk["threepids"]), bool(plain["mappings"]), *given}
        self.assertEqual(len(found), 1)
        return found.pop()

    def is_given(self, path: str, forwarded: list[str]) -> bool:
        """Whether an invite into a new room is for somebody who is known."""
        body = {"medium": "email", "address": ANNA.address, "room_id": f"!{next(self.rooms)}", "sender": ALICE}
        kept = result(self.storage.invites.get(self.request("POST", path, forwarded, body)["token"]))
        assert kept is not None
        return kept.ended is not None

    def test_by_the_address_of_the_client(self) -> None:
        self.assertTrue(self.is_found("10.1.2.3"))
        self.assertFalse(self.is_found("192.0.2.1"))

    def test_what_another_server_says_is_not_found_by_hash(self) -> None:
        self.assertTrue(self.is_given("/v2/store-invite", ["10.1.2.3"]))
        (pepper,) = result(self.storage.hashes.peppers())
        self.assertEqual(result(self.storage.hashes.find(pepper.pepper, [digest(ANNA, pepper.pepper)])), {})

    def test_what_the_client_claims_itself_does_not_count(self) -> None:
        self.assertFalse(self.is_found("10.1.2.3, 192.0.2.1"))
        self.assertFalse(self.is_found("10.1.2.3", "192.0.2.1"))

    def test_several_proxies(self) -> None:
        self.start([PROXY, ip_network("10.9.0.0/16")])
        self.assertTrue(self.is_found("10.1.2.3, 10.9.0.1"))
        self.assertFalse(self.is_found("10.1.2.3, 192.0.2.1, 10.9.0.1"))

    def test_nobody_is_believed_who_is_no_proxy(self) -> None:
        self.start([])
        self.assertFalse(self.is_found("10.1.2.3"))

    def test_no_client_that_could_be_told(self) -> None:
        for forwarded in ((), ("unknown",), ("",), ("_hidden, unknown",)):
            self.assertFalse(self.is_found(*forwarded), forwarded)

    def test_many_at_once_can_be_switched_off(self) -> None:
        self.start([PROXY], bulk=False)
        asked = {"threepids": [ANNA]}
        self.assertEqual(self.request("POST", "/bulk_lookup", ["10.1.2.3"], asked), {"threepids": []})
        self.assertTrue(self.request("GET", "/lookup?medium=email&address=anna@example.com", ["10.1.2.3"]))
