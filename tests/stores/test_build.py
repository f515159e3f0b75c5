"""The stores that a configuration describes."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any
from unittest import skipIf

from mxisd.config import ConfigError
from mxisd.stores.build import build
from mxisd.stores.stores import Stores
from tests.config.case import ConfigCase

ALL = """
    memory: {enabled: true, hashEnabled: true, identities: [{username: Jane Doe, roles: [staff]}]}
    sql: {enabled: true, connection: /nowhere.db}
    synapseSql: {enabled: true, connection: /nowhere.db}
    ldap: [{enabled: true, connection: {host: x, baseDn: o=x}}, {}, {enabled: true, connection: {host: y, baseDn: o=y}}]
    netiq: {enabled: true, lookup: true, connection: {host: x, baseDn: dc=x}}
    rest: {enabled: true, host: 'https://x.example'}
    exec: {enabled: true}
    wordpress: {enabled: true, rest: {base: 'https://x.example'}, sql: {type: sqlite, connection: /nowhere.db}}
"""


needs_ldap = skipIf(find_spec("ldap") is None, "python-ldap is not installed")


class BuildTests(ConfigCase):
    def build(self, text: str) -> Stores:
        return build(self.core(self.config(text)))

    def test_nothing_is_there_unless_it_is_enabled(self) -> None:
        built = self.build("")
        self.assertEqual((built.sources, built.listings), ([], []))

    @needs_ldap
    def test_they_are_asked_in_order(self) -> None:
        def order(text: str) -> list[str]:
            return [source.name for source in self.build(text).sources]

        names = ["memory", "sql", "synapseSql", "ldap[0]", "ldap[2]", "netiq", "rest", "wordpress"]
        self.assertEqual(order(ALL), [*names, "exec"])
        first = ALL.replace("exec: {enabled: true}", "exec: {enabled: true, identity: {priority: 30}}")
        self.assertEqual(order(first), ["memory", "exec", *names[1:]])

    @needs_ldap
    def test_those_are_listed_that_may_be(self) -> None:
        listed = [name for name, _ in self.build(ALL).listings]
        self.assertEqual(listed, ["memory", "synapseSql", "netiq", "wordpress"])

    def test_names_are_mapped_or_refused(self) -> None:
        async def roles(text: str) -> Any:
            return await self.build(text).roles("@jane=20doe:example.org")

        memory = "memory: {enabled: true, identities: [{username: Jane Doe, roles: [staff]}]}"
        self.assertEqual(self.successResultOf(roles(memory)), {"staff"})
        refused = f"{memory}\nstores: {{localparts: refuse}}"
        self.assertEqual(self.successResultOf(roles(refused)), set())

    def test_a_connection_that_cannot_be_stops_the_start(self) -> None:
        with self.assertRaises(ConfigError) as raised:
            self.build("sql: {enabled: true, type: postgresql, connection: //localhost}")
        problem = "sql.connection: expected //host[:port]/database?user=…&password=…"
        self.assertEqual(raised.exception.problems, (problem,))
