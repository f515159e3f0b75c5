"""Files that were written for mxisd 1.x or ma1sd."""

from __future__ import annotations

from mxisd.config import Sections
from mxisd.config.engine.shape import known_keys
from mxisd.config.moved import OURS
from tests.config.case import ConfigCase

SYNAPSE = "synapseSql: {enabled: true, type: sqlite, connection: homeserver.db}\n"
MEMORY = "memory: {enabled: true, hashEnabled: true}\n"
OWN = "stores: {localparts: map}\n"


class OursTests(ConfigCase):
    def test_keys_exist(self) -> None:
        self.assertEqual(set(OURS) - set(known_keys(Sections)), set())


class DifferenceTests(ConfigCase):
    def told(self, text: str, v1: str = "true") -> list[str]:
        config = self.whole(f"matrix: {{domain: example.org, v1: {v1}}}\n{text}")
        return [each.partition(": ")[0] for each in config.warnings]

    def test_what_may_open_something_is_told(self) -> None:
        for key, text, decided in (
            ("hashing.enabled", MEMORY, MEMORY + "hashing: {enabled: true}"),
            ("hashing.enabled", SYNAPSE, "memory: {enabled: true}"),
            ("synapseSql.published", SYNAPSE, f"{SYNAPSE[:-2]}, published: all}}"),
        ):
            self.assertIn(key, self.told(text))
            self.assertNotIn(key, self.told(decided))

    def test_v1_is_off_where_it_says_so(self) -> None:
        self.assertIn("matrix.v1", self.told("", "false"))
        self.assertNotIn("matrix.v1", self.told("", "true"))
        self.assertNotIn("matrix.v1", self.told(OWN, "false"))

    def test_terms_bind_everything_where_they_name_no_paths(self) -> None:
        terms = "policy: {policies: {tos: {version: 1, terms: {en: {name: a, url: 'https://x.org'}}%s}}}"
        self.assertIn("policy.policies.tos.regexp", self.told(terms % ""))
        self.assertNotIn("policy.policies.tos.regexp", self.told(terms % ", regexp: [/lookup]"))

    def test_a_file_of_this_mxisds_is_told_less(self) -> None:
        self.assertFalse("hashing.enabled" in self.told(OWN + MEMORY))


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

    def test_so_it_is_where_users_of_other_homeservers_may_ask(self) -> None:
        text = SYNAPSE + OWN + "account: {allowOnlyTrustDomains: false}"
        published, (said,) = self.decided(text, "false")
        self.assertEqual(published, "only")
        self.assertIn("(only): without account.allowOnlyTrustDomains users of all homeservers may look", said)

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


class OpenedTests(ConfigCase):
    """What had no effect in mxisd, and has one here."""

    def test_domains_that_never_matched(self) -> None:
        text = "register: {policy: {threepid: {email: {domain: {whitelist: [%s], blacklist: [.y.org]}}}}}"
        key = "register.policy.threepid.email.domain.whitelist: "
        for patterns in (".x.org", "'*x.org'", ".x.org, '*y.org', z.org"):
            told = [each for each in self.config(text % patterns).warnings if each.startswith(key)]
            self.assertEqual(len(told), 1, patterns)
        self.assertNotIn(key, "".join(self.config(text % "x.org").warnings))

    def test_seconds(self) -> None:
        key = "invite.resolution.period: "
        self.assertIn(key, "".join(self.config("invite: {resolution: {timer: 5, period: seconds}}").warnings))
        self.assertNotIn(key, "".join(self.config("invite: {resolution: {period: minutes}}").warnings))
        self.assertNotIn(key, "".join(self.config(f"{OWN}invite: {{resolution: {{period: seconds}}}}").warnings))
