"""What commands print, for people and for programs."""

from __future__ import annotations

import json
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from mxisd.cli.output import JsonOutput, Output, TextOutput


def fill(output: Output) -> None:
    output.line("the answer is yes", answer=True)
    output.table("people", ("name", "user ID", "age"), [("Jürgen", "@j:example.org", 7), ("Al", None, 1234)])
    output.table("nobody", ("name",), [])
    output.error("one thing\nanother thing")
    output.end()


class OutputTests(SynchronousTestCase):
    def test_text(self) -> None:
        out, err = StringIO(), StringIO()
        fill(TextOutput(out, err))
        self.assertEqual(
            out.getvalue().splitlines(),
            [
                "the answer is yes",
                "NAME    USER ID           AGE",
                "Jürgen  @j:example.org      7",
                "Al      -               1,234",
            ],
        )
        self.assertEqual(err.getvalue(), "mxisd: one thing\nmxisd: another thing\n")

    def test_json(self) -> None:
        out, err = StringIO(), StringIO()
        fill(JsonOutput(out, err))
        self.assertEqual(
            json.loads(out.getvalue()),
            {
                "lines": ["the answer is yes"],
                "errors": ["one thing", "another thing"],
                "answer": True,
                "people": [
                    {"name": "Jürgen", "user_id": "@j:example.org", "age": 7},
                    {"name": "Al", "user_id": None, "age": 1234},
                ],
                "nobody": [],
            },
        )
        self.assertEqual(err.getvalue(), "mxisd: one thing\nmxisd: another thing\n")

    def test_control_sequences_do_not_reach_the_terminal(self) -> None:
        out = StringIO()
        output = TextOutput(out, out)
        output.line("cn=\x1b[2J")
        output.error("a\x07")
        output.table("entries", ("entry",), [("b\r\n",)])
        self.assertEqual(out.getvalue(), "cn=\\x1b[2J\nmxisd: a\\x07\nENTRY\nb\\r\\n\n")
