"""Files that were written for mxisd 1.x or ma1sd."""

from __future__ import annotations

from mxisd.config import Sections
from mxisd.config.engine.shape import known_keys
from mxisd.config.moved import OURS
from tests.config.case import ConfigCase

SYNAPSE = "synapseSql: {enabled: true, type: sqlite, connection: homeserver.db}\n"
OWN = "stores: {localparts: map}\n"


class OursTests(ConfigCase):
    def test_keys_exist(self) -> None:
        self.assertEqual(set(OURS) - set(known_keys(Sections)), set())


class PublishedTests(ConfigCase):
    """``synapseSql.published`` where it is not set."""

    def decided(self, text: str, v1: str = "true") -> tuple[str | None, list[str]]:
        config = self.whole(f"matrix: {{domain: example.org, v1: {v1}}}\n{text}")
        return config.synapse_sql.published, [
            each for each in config.warnings if each.startswith("synapseSql.published")
        ]

    def test_where_anybody_may_ask_it_is_what_users_have_published(self) -> None:
        for text in (SYNAPSE, SYNAPSE + OWN):
            published, (said,) = self.decided(text)
            self.assertEqual(published, "only")
            self.assertIn("(only): with matrix.v1 anybody may look addresses up", said)

    def test_so_it_is_in_a_file_that_may_be_one_of_ma1sds(self) -> None:
        published, (said,) = self.decided(SYNAPSE, "false")
        self.assertEqual(published, "only")
        self.assertIn("(only): as in ma1sd, whose file this may be", said)

    def test_where_only_users_may_ask_it_is_all(self) -> None:
        published, (said,) = self.decided(SYNAPSE + OWN, "false")
        self.assertEqual(published, "all")
        self.assertIn("(all), since only users may look up, by hash", said)

    def test_who_has_decided_is_told_nothing(self) -> None:
        for value in ("only", "all"):
            for v1 in ("true", "false"):
                self.assertEqual(self.decided(f"{SYNAPSE[:-2]}, published: {value}}}", v1), (value, []))
        self.assertEqual(self.decided("")[1], [])
        self.assertEqual(self.decided(f"{SYNAPSE[:-2]}, identity: {{enabled: false}}}}")[1], [])
