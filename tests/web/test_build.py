"""Which endpoints there are, by the configuration."""

from __future__ import annotations

from twisted.web.client import Agent

from mxisd.server import build_parts
from mxisd.web.build import endpoints
from mxisd.web.client import NO_PROXIES
from tests.config.case import ConfigCase
from tests.web.app import Mailbox

V1 = "/_matrix/identity/api/v1"


class EndpointTests(ConfigCase):
    def paths(self, text: str) -> set[str]:
        core = self.core(self.whole(text))
        return set(endpoints(core, build_parts(core, Mailbox()), NO_PROXIES, Agent(core.reactor)))

    def test_version_1_can_be_switched_off_but_for_what_homeservers_need(self) -> None:
        paths = self.paths("matrix: {domain: example.org, v1: false}")
        served = {path.removeprefix(V1) for path in paths if path.startswith(V1)}
        self.assertEqual(
            served,
            {
                "/3pid/getValidated3pid",
                "/validate/msisdn/requestToken",
                "/validate/msisdn/submitToken",
                "/pubkey/isvalid",
                "/pubkey/ephemeral/isvalid",
                "/pubkey/{keyId}",
                "/sign-ed25519",
            },
        )
        self.assertIn(f"{V1}/lookup", self.paths("matrix: {domain: example.org}"))

    def test_nothing_is_intercepted_without_a_homeserver(self) -> None:
        self.assertFalse([path for path in self.paths("matrix: {domain: example.org}") if "/client/" in path])
