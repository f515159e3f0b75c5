"""What an administrator does with ``mxisd storage copy``."""

from __future__ import annotations

import json
from io import StringIO

from msgspec import structs

from mxisd.cli.storage import ProgressBar, copy_storage
from mxisd.keys.file import new_keys
from mxisd.storage.archive import KINDS
from mxisd.storage.copy import CopyFailed
from mxisd.storage.engine import engine
from mxisd.storage.records import Binding
from tests.cli.command import mxisd
from tests.storage.copies import REACTOR, REMEMBER, CopyCase, nobody


class Terminal(StringIO):
    """Where somebody looks on."""

    def isatty(self) -> bool:
        return True


class CopyStorageTests(CopyCase):
    async def test_everything_and_the_keys(self) -> None:
        first, second, third = self.config("a", "sqlite"), self.config("b", "redis"), self.config("c", "sqlite")
        third = structs.replace(third, key=structs.replace(third.key, path=self.folder / "c.key"))
        content = new_keys()
        first.key.path.write_bytes(content)  # type: ignore[union-attr]  # SQLite has a default
        started = engine(first.storage, REACTOR, REMEMBER)
        started.startService()
        await self.fill(started.storage)
        await started.stopService()
        for source, target in ((first, second), (second, third)):
            terminal = Terminal()
            summaries = await copy_storage(REACTOR, source, target, ProgressBar(terminal))
            self.assertRegex(terminal.getvalue(), r"Binding +\[#{40}\] 1,236 of 1,236\n")
            self.assertEqual(len(summaries[Binding].hashes), len(self.bound))
        self.assertEqual((self.folder / "c.key").read_bytes(), content)
        self.assertEqual((self.folder / "c.key").stat().st_mode & 0o777, 0o600)
        await self.check(self.start(third).storage)

    async def test_other_keys_are_not_replaced(self) -> None:
        source, target = self.config("a", "sqlite"), self.config("b", "redis")
        await self.start(target).storage.keys.signing_keys(new_keys)
        self.start(source)
        source.key.path.write_bytes(new_keys())  # type: ignore[union-attr]  # SQLite has a default
        with self.assertRaisesRegex(CopyFailed, "the target has other signing keys"):
            await copy_storage(REACTOR, source, target, nobody)

    async def test_a_database_that_is_not_there_is_not_made(self) -> None:
        with self.assertRaisesRegex(CopyFailed, "there is no database"):
            await copy_storage(REACTOR, self.config("a", "sqlite"), self.config("b", "redis"), nobody)
        self.assertEqual(list(self.folder.glob("*.db")), [])

    async def test_a_storage_is_not_copied_to_itself(self) -> None:
        config = self.config("a", "redis")
        with self.assertRaisesRegex(CopyFailed, "both configurations name the same storage"):
            await copy_storage(REACTOR, config, config, nobody)


class BackupTests(CopyCase):
    async def test_a_backup_of_a_running_server_fills_a_storage_of_any_kind(self) -> None:
        running = self.start(self.config("a", "sqlite"))
        await self.fill(running.storage)
        # What is written last is not in the file of the database, but in the one beside it.
        self.assertGreater((self.folder / "a.db-wal").stat().st_size, 0)
        done = mxisd("storage", "backup", "copy.db", "-c", "a.yaml", "--json", folder=self.folder)
        self.assertEqual((done.code, done.err), (0, ""))
        tables = {each["table"]: each["rows"] for each in json.loads(done.out)["tables"]}
        self.assertEqual(tables["bindings"], len(self.bound))
        self.assertEqual((self.folder / "copy.db").stat().st_mode & 0o777, 0o600)
        self.assertEqual(sorted(path.name for path in self.folder.glob("copy.*")), ["copy.db"])
        before = (self.folder / "copy.db").read_bytes()
        for name, backend in (("b", "sqlite"), ("c", "redis")):
            config = self.config(name, backend)
            done = mxisd("storage", "restore", "copy.db", "-c", f"{name}.yaml", folder=self.folder)
            self.assertEqual((done.code, done.err), (0, ""))
            self.assertIn("the storage has what the file has", done.out)
            await self.check(self.start(config).storage)
        self.assertEqual((self.folder / "copy.db").read_bytes(), before)

    async def test_nothing_is_written_over(self) -> None:
        running = self.start(self.config("a", "sqlite"))
        await self.fill(running.storage)
        (self.folder / "there.db").write_text("mine")
        done = mxisd("storage", "backup", "there.db", "-c", "a.yaml", folder=self.folder)
        self.assertEqual((done.code, done.err), (1, "mxisd: there.db is there already\n"))
        self.assertEqual((self.folder / "there.db").read_text(), "mine")
        self.assertEqual(mxisd("storage", "backup", "copy.db", "-c", "a.yaml", folder=self.folder).code, 0)
        done = mxisd("storage", "restore", "copy.db", "-c", "a.yaml", folder=self.folder)
        self.assertEqual(done.code, 1)
        self.assertIn("the target is not empty", done.err)

    def test_what_cannot_be_backed_up_is_said(self) -> None:
        self.config("a", "sqlite")
        self.config("b", "redis")
        done = mxisd("storage", "backup", "copy.db", "-c", "a.yaml", folder=self.folder)
        self.assertEqual(done.code, 1)
        self.assertIn("a.db: unable to open database file", done.err)
        done = mxisd("storage", "backup", "copy.db", "-c", "b.yaml", folder=self.folder)
        self.assertEqual(done.code, 1)
        self.assertIn("storage.backend is redis, which has a backup of its own", done.err)
        self.assertEqual(list(self.folder.glob("copy.*")), [])


class CommandTests(CopyCase):
    def test_tables_and_json_say_the_same(self) -> None:
        for name in ("b", "c", "d"):
            self.config(name, "redis" if name == "b" else "sqlite")
        self.config("a", "sqlite")
        self.assertEqual(mxisd("storage", "copy", "--to", "a.yaml", "-c", "b.yaml", folder=self.folder).code, 0)
        done = mxisd("storage", "copy", "--from", "a.yaml", "--to", "c.yaml", folder=self.folder)
        self.assertEqual((done.code, done.err), (0, ""))
        first, *rows, last = done.out.splitlines()
        self.assertEqual(first.split(), ["KIND", "RECORDS", "CHECKSUM"])
        self.assertEqual(last, "both storages have the same content")
        done = mxisd("storage", "copy", "-f", "a.yaml", "-t", "d.yaml", "--json", folder=self.folder)
        content = json.loads(done.out)
        self.assertEqual(
            [[each["kind"], str(each["records"]), each["checksum"]] for each in content["kinds"]],
            [row.split() for row in rows],
        )
        self.assertEqual([each["kind"] for each in content["kinds"]], [kind.__name__ for kind in KINDS])
        self.assertEqual((content["copied"], content["errors"]), (True, []))

    def test_failures(self) -> None:
        self.config("a", "sqlite")
        self.config("b", "redis")
        done = mxisd("storage", "copy", "--from", "a.yaml", "--to", "b.yaml", folder=self.folder)
        self.assertEqual((done.code, done.out), (1, ""))
        self.assertRegex(done.err, r"^mxisd: there is no database .*a\.db\n$")
        done = mxisd("storage", "copy", "--from", "absent.yaml", "--to", "b.yaml", folder=self.folder)
        self.assertEqual((done.code, done.err), (2, "mxisd: cannot read absent.yaml: No such file or directory\n"))
