"""What an administrator does with ``mxisd-policy``."""

import io
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

from mxisd.cli.policy import main
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
        code = f"from mxisd.cli.policy import main; main({['explain', *arguments]!r})"
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.directory,
            env={"PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout.splitlines()

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

    def test_says_what_is_wrong(self) -> None:
        self.write("mxisd.yaml", DOMAIN)
        for arguments in (
            ["--sender", "alice"],
            ["--sender", "@alice:example.org", "--address", "no address"],
            ["--sender", "@alice:example.org", "--room", "lobby"],
        ):
            output = io.StringIO()
            with redirect_stdout(output), self.assertRaises(SystemExit) as raised:
                main(["--config", str(self.directory / "mxisd.yaml"), "explain", *arguments])
            self.assertEqual(raised.exception.code, 2)
            self.assertNotEqual(output.getvalue(), "")
