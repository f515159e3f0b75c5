"""``docs/openapi.yaml`` describes what is served, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from treq.testing import RequestTraversalAgent
from twisted.web.resource import Resource

from mxisd.server import build_parts
from mxisd.web.build import endpoints
from mxisd.web.client import NO_PROXIES
from mxisd.web.identity.internal import InternalEndpoints
from mxisd.web.interception.api import VERSIONS
from mxisd.web.operation import OperationEndpoints
from tests.config.case import ConfigCase
from tests.ends import MemoryCore
from tests.make import clock_at
from tests.web.app import Mailbox

DESCRIPTION = yaml.safe_load((Path(__file__).parents[2] / "docs/openapi.yaml").read_text(encoding="utf-8"))
METHODS = ("get", "put", "post", "delete")
EVERYTHING = """
    matrix: {domain: example.org, homeserver: {url: 'http://127.0.0.1:8008'}}
    invite: {policy: {token: secret}}
    appsvc:
      enabled: true
      endpoint: {toHS: {url: 'http://127.0.0.1:8008', token: as}, toAS: {url: 'http://127.0.0.1:8090', token: hs}}
"""


def described() -> set[tuple[str, str]]:
    found = {
        (method.upper(), path)
        for path, methods in DESCRIPTION["paths"].items()
        for method in methods
        if method in METHODS
    }
    return {
        (method, path.replace("{version}", version))
        for method, path in found
        for version in (*VERSIONS, "")[: _forms(path)]
    }


def _forms(path: str) -> int:
    """How many paths a path of the description stands for."""
    return len(VERSIONS) if "{version}" in path else 1


class DescriptionTests(ConfigCase):
    def test_it_lists_every_path_and_method(self) -> None:
        core = MemoryCore(self.whole(EVERYTHING), clock_at())
        parts = build_parts(core, Mailbox())
        served = {
            **endpoints(core, parts, NO_PROXIES, RequestTraversalAgent(Resource())),
            **InternalEndpoints(parts.threepids.bindings).endpoints(),
            **OperationEndpoints(core.storage, core.reactor).endpoints(),
        }
        found = {
            (method.decode(), path)
            for path, endpoint in served.items()
            for method in endpoint.handlers
            if method not in (b"HEAD", b"OPTIONS")
        }
        self.assertEqual(sorted(described()), sorted(found))

    def test_every_reference_leads_somewhere(self) -> None:
        def references(value: Any) -> set[str]:
            if isinstance(value, dict):
                return set().union({value["$ref"]} if "$ref" in value else set(), *map(references, value.values()))
            return set().union(*map(references, value)) if isinstance(value, list) else set()

        for reference in references(DESCRIPTION):
            place = DESCRIPTION
            for name in reference.removeprefix("#/").split("/"):
                place = place[name]
