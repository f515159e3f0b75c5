"""For whom other servers are asked."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from random import Random
from typing import Any

from msgspec import json
from treq.testing import StubTreq
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mxisd.config.invite import Policy
from mxisd.invites.invites import Invites
from mxisd.lookup.chain import Lookup
from mxisd.lookup.hashed import HashedLookup
from mxisd.lookup.index import HashIndex
from mxisd.lookup.recursion import Recursion
from mxisd.net.networks import Network
from mxisd.policies.invite import InvitePolicy
from mxisd.policies.proofs import Proofs
from mxisd.stores.stores import Stores
from mxisd.web.client import Clients
from mxisd.web.endpoint import Call, Endpoint, Handler
from mxisd.web.identity.invite import InviteEndpoints
from mxisd.web.identity.lookup import LookupEndpoints
from mxisd.web.site import tree
from tests.lookup.book import ALICE, Book, email
from tests.make import signer_for
from tests.storage.inline import at_once, storage_in_memory
from tests.web.app import Bell

ANNA = email("anna")
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
        clock, storage, signer = Clock(), storage_in_memory(), signer_for()
        here = Lookup(storage.bindings, [], signer, clock)
        everywhere = Lookup(storage.bindings, [Book({ANNA: ALICE})], signer, clock)
        recursion = Recursion(here, everywhere, [ip_network("10.0.0.0/8")])
        index = HashIndex(storage.hashes, storage.cooldowns, [], at_once, clock, bytes, 20, timedelta(minutes=10))
        endpoints = LookupEndpoints(recursion, HashedLookup(storage.hashes, index), Clients(trusted), bulk=bulk)
        policy, proofs = InvitePolicy(Policy(), Stores([])), Proofs(storage.cooldowns, clock)
        random = Random(0).randbytes
        invites = Invites(storage.invites, policy, proofs, recursion, Bell(), signer, clock, random, "example.org")
        inviting = InviteEndpoints(invites, Clients(trusted), signer, "https://id.example.org")
        self.client: Any = StubTreq(
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
        invite = {"medium": "email", "address": ANNA.address, "room_id": "!room:example.org", "sender": ALICE}
        told = ["mxid" in self.request("POST", f"{v}/store-invite", list(forwarded), invite) for v in ("", "/v2")]
        found = {bool(single), bool(bulk["threepids"]), bool(plain["mappings"]), *told}
        self.assertEqual(len(found), 1)
        return found.pop()

    def test_by_the_address_of_the_client(self) -> None:
        self.assertTrue(self.is_found("10.1.2.3"))
        self.assertFalse(self.is_found("192.0.2.1"))

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
