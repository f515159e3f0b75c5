"""What an administrator does with ``mxisd policy``."""

import json

from tests.cli.command import mxisd
from tests.config.case import DOMAIN, ConfigCase

POLICY = """
invite:
  policy:
    ifSender: {hasRole: [staff]}
    rules:
      - {action: deny, address: ['*@rival.example']}
memory:
  enabled: true
  identities:
    - {username: alice, password: x, roles: [staff]}
"""


class ExplainTests(ConfigCase):
    def explain(self, *arguments: str) -> tuple[int, list[str]]:
        self.write("mxisd.yaml", DOMAIN + POLICY)
        done = mxisd("policy", "explain", *arguments, folder=self.directory)
        self.assertEqual(done.err, "")
        return done.code, done.out.splitlines()

    def test_asks_the_stores_for_the_roles(self) -> None:
        code, lines = self.explain("--sender", "@alice:example.org", "--address", "Bob@Rival.example")
        self.assertEqual(code, 1)
        self.assertEqual(
            lines,
            [
                "the sender's roles: staff",
                "ifSender.hasRole: the sender has one of staff",
                "rule 1 (deny): applies",
                "the invite is refused",
            ],
        )
        self.assertEqual(self.explain("--sender", "@alice:example.org", "--address", "bob@example.com")[0], 0)
        self.assertEqual(self.explain("--sender", "@bob:example.org", "--address", "bob@example.com")[0], 1)

    def test_takes_roles_on_trust(self) -> None:
        code, lines = self.explain("--sender", "@bob:example.org", "--address", "a@b.example", "--role", "staff")
        self.assertEqual((code, lines[-1]), (0, "the invite is allowed"))

    def test_json(self) -> None:
        code, lines = self.explain("--sender", "@bob:example.org", "--address", "bob@example.com", "--json")
        content = json.loads("\n".join(lines))
        self.assertEqual((code, content["allowed"]), (1, False))
        self.assertEqual(content["lines"][-1], "the invite is refused")

    def test_says_what_is_wrong(self) -> None:
        self.write("mxisd.yaml", DOMAIN)
        for arguments, said in (
            (["--sender", "alice"], "'alice' is not a user ID"),
            (["--sender", "@alice:example.org", "--address", "no address"], "An email address must have an @-sign"),
            (["--sender", "@alice:example.org", "--room", "lobby"], "'lobby' is not a room ID"),
        ):
            done = mxisd("policy", "explain", *arguments, folder=self.directory)
            self.assertEqual((done.code, done.out), (2, ""))
            self.assertIn(said, done.err)
