"""What a configuration has asked, in which order, and on behalf of whom."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from mxisd.lookup.build import Sources, build_sources
from mxisd.lookup.source import Source
from tests.config.case import ConfigCase
from tests.lookup.book import ALICE, Book, email
from tests.make import result
from tests.matrix.fakes import FakeHttp, FakeServices, answer

BRIDGE = "lookup: {recursive: {bridge: {enabled: true, server: 'http://bridge'%s}}}"
FORWARD = """
matrix: {domain: example.org, identity: {servers: {ours: ['https://a.example', 'https://b.example'], matrix-org: 'https://matrix.org'}}}
forward: {servers: [ours, matrix-org]}
"""


class BuildTests(ConfigCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock, self.outbound, self.trusted, self.dns = Clock(), FakeHttp(), FakeHttp(), FakeServices()
        self.stores = [Book(name="first"), Book(name="second")]

    def sources(self, text: str = "", *, whole: bool = False) -> Sources:
        config = self.whole(text) if whole else self.config(text)
        core: Any = self.core(config, self.clock)
        core.untrusted_http, core.admin_http, core.resolver = self.outbound, self.trusted, self.dns
        return build_sources(core, self.stores)

    def ask(self, source: Source, name: str) -> object:
        return result(_lookup(source, name))

    def test_by_default(self) -> None:
        here, everywhere = self.sources()
        self.assertEqual(names(here), ["first", "second"])
        self.assertEqual(names(everywhere), ["first", "second", "federation"])

    def test_no_federation(self) -> None:
        everywhere = self.sources("lookup: {recursive: {federation: {enabled: false}}}").everywhere
        self.assertEqual(names(everywhere), ["first", "second"])

    def test_servers_that_are_named(self) -> None:
        everywhere = self.sources(FORWARD, whole=True).everywhere
        urls = ["https://a.example", "https://b.example", "https://matrix.org"]
        self.assertEqual(
            names(everywhere), ["first", "second", "federation", *(f"the identity server {url}" for url in urls)]
        )

    def test_a_bridge(self) -> None:
        here, everywhere = self.sources(BRIDGE % "")
        self.assertEqual(names(here), ["first", "second"])
        self.assertEqual(names(everywhere), ["first", "second", "federation", "the bridge"])

    def test_a_bridge_for_everybody(self) -> None:
        here, everywhere = self.sources(BRIDGE % ", recursiveOnly: false")
        self.assertEqual(names(here), ["first", "second", "the bridge"])
        self.assertEqual(names(everywhere), ["first", "second", "federation", "the bridge"])

    def test_a_bridge_without_recursion(self) -> None:
        here, everywhere = self.sources("lookup: {recursive: {enabled: false, bridge: {enabled: true, server: x}}}")
        self.assertEqual(names(everywhere), ["first", "second", "federation"])
        here, everywhere = self.sources(
            "lookup: {recursive: {enabled: false, bridge: {enabled: true, recursiveOnly: false, server: 'http://b'}}}"
        )
        self.assertEqual(names(here), ["first", "second", "the bridge"])

    def test_answers_of_others_are_kept_and_those_of_stores_are_not(self) -> None:
        url = "http://bridge/_matrix/identity/api/v1/lookup?medium=email&address=anna%40example.com"
        self.trusted.answers["GET", url] = answer({"medium": "email", "address": "anna@example.com", "mxid": ALICE})
        everywhere = self.sources(BRIDGE % "").everywhere
        for _ in range(3):
            self.assertEqual(self.ask(everywhere[-1], "anna"), {email("anna"): ALICE})
            self.assertEqual(self.ask(everywhere[0], "anna"), {})
        self.assertEqual(len(self.trusted.sent), 1)
        self.assertEqual(len(self.stores[0].asked), 3)

    def test_servers_that_strangers_name_are_guarded_against(self) -> None:
        # Those go through the client that stays out of private networks.
        federation = self.sources().everywhere[-1]
        self.assertEqual(self.ask(federation, "anna"), {})
        self.assertEqual(self.outbound.urls, ["https://example.com/.well-known/matrix/client"])
        self.assertEqual(self.trusted.urls, [])


async def _lookup(source: Source, name: str) -> object:
    return await source.lookup([email(name)])


def names(sources: tuple[Source, ...]) -> list[str]:
    return [source.name for source in sources]
