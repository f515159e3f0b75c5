"""The command line as a whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from itertools import permutations

from twisted.internet.defer import Deferred

from mxisd import __version__
from mxisd.cli.command import Invocation
from mxisd.cli.main import build_parser, execute
from mxisd.cli.output import TextOutput
from mxisd.reactor import installed_reactor
from tests.cli.command import Done, mxisd
from tests.config.case import DOMAIN, ConfigCase
from tests.integration.process import ROOT

COMMANDS = ("check", "ldap check", "notify preview", "notify test", "policy explain", "storage copy")
SENDER = ("--sender", "@alice:example.org")


class CommandLineTests(ConfigCase):
    def run_mxisd(self, *arguments: str) -> Done:
        return mxisd(*arguments, folder=self.directory)

    def test_shared_options_stand_anywhere(self) -> None:
        for words in (["check"], ["policy", "explain", *SENDER], ["notify", "test", "--to", "x@example.org"]):
            places = min(len(words), 2) + 1
            for config, as_json in permutations([*range(places), len(words)], 2):
                line = [[word] for word in [*words, ""]]
                line[config][:0] = ["--config", "c.yaml"]
                line[as_json][:0] = ["--json"]
                options = build_parser().parse_args([word for group in line for word in group if word])
                self.assertEqual((str(options.config), options.json), ("c.yaml", True), line)

    def test_the_configuration_is_found_from_any_place(self) -> None:
        self.write("other.yaml", DOMAIN)
        explain = ("policy", "explain", *SENDER)
        for arguments in (
            ("--config", "other.yaml", *explain),
            (*explain, "--config", "other.yaml"),
            ("policy", "-c", "other.yaml", "explain", *SENDER),
        ):
            self.assertEqual(
                self.run_mxisd(*arguments), Done(0, "there are no rules: allowed\nthe invite is allowed\n", "")
            )

    def test_no_configuration_file(self) -> None:
        for words in (
            ["policy", "explain", *SENDER],
            ["notify", "test", "--to", "x@example.org"],
            ["ldap", "check", "x"],
        ):
            done = self.run_mxisd(*words, "--config", "absent.yaml")
            self.assertEqual(done, Done(2, "", "mxisd: cannot read absent.yaml: No such file or directory\n"))

    def test_errors_are_in_the_json_too(self) -> None:
        done = self.run_mxisd("ldap", "check", "x@example.org", "--json")
        said = "cannot read mxisd.yaml: No such file or directory"
        self.assertEqual((done.code, done.err), (2, f"mxisd: {said}\n"))
        self.assertEqual(json.loads(done.out), {"lines": [], "errors": [said]})
        self.write("mxisd.yaml", DOMAIN)
        self.assertEqual(self.run_mxisd("ldap", "check", "x").err, "mxisd: neither ldap nor netiq is enabled\n")

    def test_check(self) -> None:
        # Others on this machine may listen there.
        self.write("mxisd.yaml", DOMAIN + "metrics: {enabled: false}")
        done = self.run_mxisd("check")
        self.assertEqual((done.code, done.err), (0, ""))
        self.assertTrue(done.out.endswith("mxisd.yaml is good: mxisd would serve https://example.org\n"), done)
        content = json.loads(self.run_mxisd("check", "--json").out)
        self.assertEqual((content["good"], content["lines"]), (True, done.out.splitlines()))
        self.write("mxisd.yaml", DOMAIN + "server: {prot: 1}\ninvite: {expiration: {aftre: 5}}")
        done = self.run_mxisd("--json", "check")
        content = json.loads(done.out)
        self.assertEqual((done.code, content["good"], len(content["lines"])), (1, False, 2))
        self.assertIn("server.prot: unknown key; did you mean server.port?", content["lines"][0])

    def test_help_lists_every_command(self) -> None:
        done = self.run_mxisd("--help")
        self.assertEqual((done.code, done.err), (0, ""))
        for command in COMMANDS:
            self.assertRegex(done.out, rf"(?m)^  {command} +\w.{{10,}}$")
        self.assertEqual(self.run_mxisd(), Done(2, "", done.out))

    def test_version(self) -> None:
        self.assertEqual(self.run_mxisd("--version"), Done(0, f"mxisd {__version__}\n", ""))

    def test_wrong_commands(self) -> None:
        for arguments, said in (
            (
                ["chek"],
                "invalid choice: 'chek' (choose from 'check', 'ldap', 'migrate', 'notify', 'policy', 'storage')",
            ),
            (["notify", "tset"], "invalid choice: 'tset' (choose from 'preview', 'template', 'test')"),
            (["notify"], "mxisd notify: error: the following arguments are required: COMMAND"),
            (["notify", "test"], "mxisd notify test: error: the following arguments are required: --to"),
            (["check", "--cofnig", "x"], "unrecognized arguments: --cofnig x"),
        ):
            done = self.run_mxisd(*arguments)
            self.assertEqual((done.code, done.out), (2, ""))
            self.assertIn(said, done.err)

    def test_old_names(self) -> None:
        self.write("c.yaml", DOMAIN)
        for name, arguments, code in (
            ("notify", ["--config", "c.yaml", "preview", "--to", "out.eml"], 0),
            ("policy", ["--config", "c.yaml", "explain", *SENDER], 0),
            ("ldap", ["--config", "c.yaml", "check", "x@example.org"], 2),
            ("storage", ["copy", "--from", "c.yaml", "--to", "c.yaml"], 1),
        ):
            done = mxisd(*arguments, folder=self.directory, call=f"{name}_main()")
            self.assertEqual(done.code, code, done)
            self.assertEqual(done, self.run_mxisd(name, *arguments))

    def test_as_a_module(self) -> None:
        command = [sys.executable, "-m", "mxisd", "--version"]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.assertEqual(subprocess.check_output(command, env=env, text=True), f"mxisd {__version__}\n")

    def test_an_interruption_is_no_success(self) -> None:
        async def run(invocation: Invocation) -> None:
            await Deferred()

        options = build_parser().parse_args(["check"])
        options.run = run
        err = StringIO()
        running = Deferred.fromCoroutine(execute(Invocation(options, TextOutput(StringIO(), err), installed_reactor())))
        running.cancel()
        self.assertEqual((self.successResultOf(running), err.getvalue()), (2, "mxisd: interrupted\n"))
