"""The ``exec`` store, with real programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from mxisd.config.exec import Auth, Directory, Exec, Exit, Format, Identity, Lookup, Process, Profile, Search
from mxisd.lookup.source import Unusable
from mxisd.matrix.threepid import EMAIL, ThreePid
from mxisd.reactor import installed_reactor
from mxisd.stores.bodies import BadAnswer
from mxisd.stores.exec.program import ProgramCrashed, ProgramFailed, Programs
from mxisd.stores.exec.request import Request
from mxisd.stores.exec.store import ExecStore
from mxisd.stores.localpart import UserIds
from mxisd.stores.store import Entry, Store
from mxisd.stores.store import Profile as StoreProfile
from tests.servers.folder import folder
from tests.stores import contract
from tests.stores.people import ALICE, CAROL, PEOPLE, as_data

reactor = installed_reactor()

JSON = Format(type="json")
PLAIN = Format(type="plain")


@cache
def people() -> str:
    path = folder("people") / "people.json"
    path.write_text(json.dumps(as_data()))
    return str(path)


def made(config: Exec, environment: Mapping[str, str], user_ids: UserIds) -> ExecStore:
    return ExecStore(config, Programs(reactor, config.timeout), environment, user_ids)


def program(question: str, *arguments: str) -> tuple[str, ...]:
    """The arguments of Python that have it answer a question."""
    return ("-I", "-S", str(Path(__file__).with_name("api.py")), people(), question, *arguments)


def ask(question: str) -> Process:
    """A program that reads and writes JSON."""
    return Process(command=sys.executable, args=program(question), input=JSON, output=JSON)


class ExecCase(contract.StoreCase):
    config: Exec

    async def build(self) -> Store:
        return made(self.config, os.environ, self.user_ids).offered()


class JsonTests(
    ExecCase,
    contract.SourceContract,
    contract.ProfilesContract,
    contract.DirectoryContract,
    contract.ListingContract,
    contract.AuthenticationContract,
):
    config = Exec(
        enabled=True,
        auth=Auth(command=sys.executable, args=program("auth"), input=JSON, output=JSON),
        directory=Directory(search=Search(by_name=ask("search"), by_threepid=ask("search"))),
        identity=Identity(hash_enabled=True, lookup=Lookup(single=ask("single"), bulk=ask("bulk"))),
        profile=Profile(display_name=ask("display_name"), three_pid=ask("threepids"), role=ask("roles")),
    )


class PlainTests(ExecCase, contract.SourceContract):
    """Arguments and lines, with tokens of the administrator's own."""

    # Each is a process.
    many = PEOPLE[:50]
    config = Exec(
        enabled=True,
        token={"medium": "<medium>", "address": "<address>", "mxid": "%m", "localpart": "%l", "password": "%p"},
        auth=Auth(
            token={"localpart": "%n"},
            command=sys.executable,
            args=program("plain-auth", "%m"),
            input=Format(type="plain", template="%n\n%p"),
            output=PLAIN,
        ),
        identity=Identity(
            lookup=Lookup(
                single=Process(
                    command=sys.executable, args=program("plain-lookup", "<medium>", "<address>"), output=PLAIN
                )
            )
        ),
    )

    async def test_accepts_the_right_password(self) -> None:
        assert self.store.authentication
        authenticate = self.store.authentication.authenticate
        for person in (ALICE, CAROL):
            profile = await authenticate(person.user_id, person.password)
            assert profile
            self.assertEqual((profile.user_id, profile.display_name), (person.user_id, person.display_name))
        self.assertIsNone(await authenticate(ALICE.user_id, CAROL.password))
        self.assertIsNone(await authenticate(ALICE.user_id, "%p"))


class ProgramTests(ExecCase):
    """How programs are run, and what becomes of what they do."""

    config = Exec(enabled=True, auth=Auth(command="true"))
    threepid = ThreePid(EMAIL, "alice@example.org")

    def with_shell(self, script: str, **changes: Any) -> Store:
        """A store that looks up and checks passwords by a shell script, which prints plain lines."""
        process = Process(command="sh", args=("-c", script, "sh", "{address}"), **{"output": PLAIN, **changes})
        auth = Auth(command="sh", args=("-c", script, "sh", "{localpart}"), **changes)
        config = Exec(
            enabled=True, timeout=timedelta(seconds=20), auth=auth, identity=Identity(lookup=Lookup(single=process))
        )
        return ExecStore(
            config, Programs(reactor, config.timeout), {"PATH": os.environ["PATH"], "OURS": "1"}, self.user_ids
        ).offered()

    def path(self) -> Path:
        """Where there is nothing yet."""
        return Path(self.mktemp()).absolute()

    async def look_up(self, store: Store, address: str = "alice@example.org") -> str | None:
        assert store.source
        threepid = ThreePid(EMAIL, address)
        return (await store.source.lookup([threepid])).get(threepid)

    async def test_what_is_not_configured_knows_nothing(self) -> None:
        store = self.store
        assert store.source and store.profiles and store.directory
        self.assertEqual(await store.source.lookup([self.threepid]), {})
        self.assertIsNone(await store.profiles.display_name(ALICE.user_id))
        self.assertEqual(await store.profiles.roles(ALICE.user_id), ())
        self.assertEqual(await store.directory.search_by_name("a", 1), [])
        self.assertIsNone(store.listing)

    async def test_exit_codes_decide(self) -> None:
        exits = Exit(success=(0, 128), failure=(1, 129))
        for code in (0, 128):
            store = self.with_shell(f"exit {code}", exit=exits)
            assert store.authentication
            profile = await store.authentication.authenticate(ALICE.user_id, "x")
            self.assertEqual(profile and profile.user_id, ALICE.user_id)
        for code in (1, 129):
            store = self.with_shell(f"echo alice; exit {code}", exit=exits)
            assert store.authentication
            self.assertIsNone(await store.authentication.authenticate(ALICE.user_id, "x"))
            self.assertIsNone(await self.look_up(store))
        with self.assertRaisesRegex(Unusable, "exit code 2"):
            await self.look_up(self.with_shell("exit 2", exit=exits))
        with self.assertRaisesRegex(Unusable, "signal"):
            await self.look_up(self.with_shell("kill -9 $$"))

    async def test_one_address_of_many_that_a_program_fails_at_leaves_the_others_alone(self) -> None:
        store = self.with_shell('test "$1" != bad || exit 9; echo "$1"')
        asked = [ThreePid("x", "one"), ThreePid("x", "bad"), ThreePid("x", "two")]
        assert store.source
        found = await store.source.lookup(asked)
        self.assertEqual(found, {asked[0]: "@one:example.org", asked[2]: "@two:example.org"})
        with self.assertRaisesRegex(Unusable, "exit code 9"):
            await store.source.lookup(asked[1:2])

    async def test_the_exit_code_decides_where_json_says_nothing_else(self) -> None:
        for output, name in (
            ("", None),
            ("{}", None),
            ('{"auth":{}}', None),
            ('{"auth":{"success":null}}', None),
            ('{"auth":{"success":"true"}}', None),
            ('{"auth":{"profile":{"display_name":"Alice"}}}', "Alice"),
            ('{"profile":{"display_name":"Alice"}}', "Alice"),
            ('{"auth":{"success":true},"profile":{"display_name":"Alice"}}', "Alice"),
            ('{"success":true,"profile":{"display_name":"Alice"}}', "Alice"),
        ):
            for code, profile in ((0, StoreProfile(ALICE.user_id, name)), (1, None)):
                store = self.with_shell(f"printf '%s' '{output}'; exit {code}", output=JSON)
                assert store.authentication
                found = await store.authentication.authenticate(ALICE.user_id, "x")
                self.assertEqual(found, profile, output)
        for output in ('{"auth":{"success":false}}', '{"success":false}', '{"success":true,"auth":{"success":false}}'):
            store = self.with_shell(f"printf '%s' '{output}'", output=JSON)
            assert store.authentication
            self.assertIsNone(await store.authentication.authenticate(ALICE.user_id, "x"))

    async def test_input_has_no_end_of_a_line_that_nobody_typed(self) -> None:
        store = self.with_shell(
            'test "$(cat; echo .)" = "$(printf \'alice\\nexample.org\\n@alice:example.org\\nx.\')"', input=PLAIN
        )
        assert store.authentication
        self.assertIsNotNone(await store.authentication.authenticate(ALICE.user_id, "x"))

    async def test_a_token_may_choose_the_program(self) -> None:
        programs = self.path()
        programs.mkdir()
        (programs / "email").write_text("#!/bin/sh\necho alice\n")
        (programs / "email").chmod(0o700)
        process = Process(command=f"{programs}/{{medium}}", output=PLAIN)
        config = Exec(enabled=True, identity=Identity(lookup=Lookup(single=process)))
        store = made(config, os.environ, self.user_ids).offered()
        self.assertEqual(await self.look_up(store), ALICE.user_id)

    async def test_one_program_may_search_by_name_and_by_address(self) -> None:
        script = """printf '{"results": [{"user_id": "%s-%s"}]}' "$1" "$2\""""
        process = Process(command="sh", args=("-c", script, "sh", "{type}", "{query}"))
        config = Exec(enabled=True, directory=Directory(search=Search(by_name=process)))
        directory = made(config, os.environ, self.user_ids).offered().directory
        assert directory
        self.assertEqual(await directory.search_by_name("x", 1), [Entry("@name-x:example.org")])
        self.assertEqual(await directory.search_by_threepid("x", 1), [Entry("@threepid-x:example.org")])

    async def test_plain_lines_are_a_type_and_a_user(self) -> None:
        for script, user_id in [
            ("echo alice", "@alice:example.org"),
            ("echo; echo alice", "@alice:example.org"),
            ("echo localpart; echo Alice", "@alice:example.org"),
            ("echo mxid; echo @alice:elsewhere.example", "@alice:elsewhere.example"),
            ("echo mxid; echo alice", None),
            ("echo", None),
            ("true", None),
        ]:
            self.assertEqual(await self.look_up(self.with_shell(script)), user_id, script)
        for script in ("echo email; echo alice", "echo; echo; echo alice", "echo a; echo b; echo c"):
            with self.assertRaises(BadAnswer):
                await self.look_up(self.with_shell(script))

    async def test_nothing_is_read_by_a_shell_but_our_own(self) -> None:
        marker = self.path()
        store = self.with_shell('printf %s "$1" | tr -dc a-z')
        await self.look_up(store, f"$(touch {marker})`touch {marker}`;touch {marker}|&")
        self.assertFalse(marker.exists())

    async def test_programs_have_our_environment_and_theirs(self) -> None:
        store = self.with_shell('echo "$OURS$THEIRS$HOME"', env={"THEIRS": "{address}"})
        self.assertEqual(await self.look_up(store, "x"), "@1x:example.org")

    async def test_a_program_that_is_not_there_is_a_failure(self) -> None:
        process = Process(command="/nowhere/program", output=PLAIN)
        config = Exec(enabled=True, identity=Identity(lookup=Lookup(single=process)))
        with self.assertRaisesRegex(ProgramFailed, "/nowhere/program ended with the exit code 127"):
            await self.look_up(made(config, os.environ, self.user_ids).offered())

    async def test_a_program_that_takes_too_long_is_killed_with_all_that_it_has_started(self) -> None:
        pids = self.path()
        process = Process(command="sh", args=("-c", f"sleep 1000 & echo $! $$ > {pids}; wait"), output=PLAIN)
        config = Exec(enabled=True, timeout=timedelta(seconds=1), identity=Identity(lookup=Lookup(single=process)))
        with self.assertRaisesRegex(ProgramFailed, "it took more than 1 seconds"):
            await self.look_up(made(config, os.environ, self.user_ids).offered())
        for pid in map(int, pids.read_text().split()):
            while runs(pid):
                await deferLater(reactor, 0.01)

    async def test_input_that_nobody_reads_does_no_harm(self) -> None:
        store = self.with_shell("exec <&-; echo alice", input=Format(type="plain", template="x" * 1_000_000))
        self.assertEqual(await self.look_up(store), "@alice:example.org")


def runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


class RequestTests(SynchronousTestCase):
    tokens = {"localpart": "{localpart}", "password": "{password}"}
    request = Request({"localpart": "{password}", "password": 'a"b\n{localpart}'}, {"a": 'b"'}, "plain\n")

    def input(self, **format_: Any) -> bytes:
        return self.request.input(Process(input=Format(**format_)), self.tokens)  # type: ignore[arg-type]

    def test_values_are_not_read_for_tokens(self) -> None:
        process = Process(command="{password}", args=("-u{localpart}", "-p{password}", "{other}"))
        self.assertEqual(
            self.request.command(process, self.tokens),  # type: ignore[arg-type]
            ['a"b\n{localpart}', "-u{password}", '-pa"b\n{localpart}', "{other}"],
        )

    def test_input_is_as_its_type_has_it(self) -> None:
        self.assertEqual(self.input(), b"")
        self.assertEqual(self.input(type="plain"), b"plain\n")
        self.assertEqual(self.input(type="multilines"), b"plain\n")
        self.assertEqual(self.input(type="json"), b'{"a":"b\\""}')
        self.assertEqual(self.input(type="plain", template="<{password}>"), b'<a"b\n{localpart}>')
        self.assertEqual(self.input(type="json", template='{"p":"{password}"}'), b'{"p":"a\\"b\\n{localpart}"}')


class BoundsTests(TestCase):
    """Programs that go on and on."""

    def setUp(self) -> None:
        self.programs = Programs(reactor, timedelta(seconds=60))
        self.programs.startService()
        self.file = folder("programs") / f"{id(self)}.pid"

    def under_way(self, script: str) -> Deferred[Any]:
        """Begins a shell script; ``$0`` is a file to write a process ID to."""
        return Deferred.fromCoroutine(
            self.programs.run(["sh", "-c", script, str(self.file)], {"PATH": os.environ["PATH"]}, b"")
        )

    async def ended(self) -> None:
        """Waits until the process whose ID is in the file is no more."""
        while not self.file.exists() or not self.file.read_text().strip():
            await deferLater(reactor, 0.01, lambda: None)
        while runs(int(self.file.read_text())):
            await deferLater(reactor, 0.01, lambda: None)

    async def test_one_that_writes_for_ever(self) -> None:
        with self.assertRaises(ProgramCrashed) as raised:
            await self.under_way('yes & echo $! > "$0"; wait')
        self.assertIn("1048576 bytes", str(raised.exception))
        await self.ended()

    async def test_a_stop_ends_programs_and_their_children(self) -> None:
        running = self.under_way('sleep 1000 & echo $! > "$0"; wait')
        while not self.file.exists():
            await deferLater(reactor, 0.01, lambda: None)
        self.programs.stopService()
        with self.assertRaises(CancelledError):
            await running
        await self.ended()

    async def test_a_stop_is_the_end_of_questions_that_waited(self) -> None:
        self.programs.stopService()
        with self.assertRaises(ProgramFailed):
            await self.under_way('echo $$ > "$0"')
        self.assertFalse(self.file.exists())
