"""What an administrator does with ``mxisd migrate``."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import yaml
from twisted.trial.unittest import TestCase

from mxisd.cli.command import load_config
from mxisd.clock import DAY
from mxisd.keys.file import load
from mxisd.matrix.signing import id_of
from mxisd.storage.engine import engine
from mxisd.storage.records import Invite
from mxisd.storage.redis import RedisService
from tests.cli.command import Done, mxisd
from tests.migrate.old_servers import OldServer
from tests.servers.redis import RedisServer
from tests.storage.copies import REACTOR, REMEMBER


class MigrateTests(TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.old = OldServer("ma1sd-sqlite", self.folder)
        self.config()

    def config(self, **sections: object) -> Path:
        path = self.folder / "mxisd.yaml"
        given = {
            "matrix": {"domain": "example.org"},
            "server": {"name": "matrix.example.org"},
            "key": {"path": "ours/signing.key"},
            **sections,
        }
        path.write_text(yaml.safe_dump(given))
        return path

    def migrate(self, *arguments: str, source: object = None) -> Done:
        return mxisd("migrate", "--from", str(source or self.old.config), *arguments, folder=self.folder)

    def count(self, table: str) -> int:
        with closing(sqlite3.connect(self.folder / "mxisd.db")) as connection:
            count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
        return count

    def names(self) -> set[str]:
        return {str(path) for path in self.folder.rglob("*")}

    def test_nothing_is_changed_before_it_is_wanted(self) -> None:
        before, names = self.old.contents(), self.names()
        done = self.migrate("--to", "mxisd.yaml")
        self.assertEqual((done.code, done.err), (0, ""))
        self.assertEqual((self.names(), self.old.contents()), (names, before))
        for line in (
            f"mxisd 1.x or ma1sd: {self.old.database}, opened read-only",
            f"the signing key {self.old.facts['key_id']} comes into {self.folder / 'ours' / 'signing.key'}",
            "Invite             6         0             0",
            "1 resolved invite never reached its homeserver: --retry-failed has them delivered",
            "nothing was changed: --yes has it done",
        ):
            self.assertIn(line, done.out.splitlines())
        self.assertRegex(done.out, "Transaction +1 +what was in it was not written down")
        done = self.migrate("--yes")
        self.assertEqual((done.code, done.err), (0, ""))
        self.assertTrue(done.out.endswith("all of it is here now\n"))
        self.assertEqual([id_of(key) for key in load(self.folder / "ours" / "signing.key")], [self.old.facts["key_id"]])
        self.assertEqual([self.count(table) for table in ("invites", "sessions", "access_tokens")], [6, 2, 3])
        self.assertEqual(self.old.contents(), before)

    def test_again_changes_nothing_and_says_so_to_programs(self) -> None:
        self.migrate("--yes")
        content = (self.folder / "ours" / "signing.key").read_bytes()
        done = self.migrate("--yes", "--json")
        said = json.loads(done.out)
        self.assertEqual((done.code, said["moved"], said["source"]), (0, True, "mxisd 1.x or ma1sd"))
        self.assertEqual({each["comes"] for each in said["kinds"]}, {0})
        self.assertNotIn("keys", said)
        self.assertEqual((self.folder / "ours" / "signing.key").read_bytes(), content)
        self.assertEqual(self.count("invites"), 6)

    def test_expiry_is_foretold_and_put_off(self) -> None:
        self.old.change(
            'UPDATE invite_3pid SET properties = replace(properties, \'"created_at":"179\', \'"created_at":"169\')'
        )
        said = json.loads(self.migrate("--json").out)
        self.assertEqual((said["pending"], said["expiring"]), (4, 4))
        said = json.loads(self.migrate("--json", "--yes", "--keep-for", "2d").out)
        self.assertEqual((said["pending"], said["expiring"]), (4, 0))
        self.assertIn("4 pending invites would have expired, and have a new term", said["lines"])
        self.assertEqual(self.migrate("--keep-for", "soon").code, 2)

    def test_keys_of_ours_stay_published_behind_the_old_one(self) -> None:
        path = self.folder / "ours" / "signing.key"
        path.parent.mkdir()
        path.write_text(f"ed25519 mine {'A' * 43}\n")
        self.assertEqual(self.migrate("--yes").code, 0)
        self.assertEqual([id_of(key) for key in load(path)], [self.old.facts["key_id"], "ed25519:mine"])
        path.write_text(f"ed25519 {self.old.facts['key_id'].partition(':')[2]} {'A' * 43}\n")
        done = self.migrate("--yes")
        self.assertEqual(done.code, 1)
        self.assertIn(f"has another key {self.old.facts['key_id']}: remove it if nothing uses it", done.err)

    def test_the_folder_of_keys_may_be_named_by_key_path(self) -> None:
        self.config(key={"path": str(self.old.keys)})
        before = self.old.contents()
        done = self.migrate("--yes", source=self.old.database)
        self.assertEqual((done.code, self.old.contents()), (0, before))
        self.assertNotIn("signing key", done.out)
        self.assertFalse((self.old.folder / "keys.signing.key").exists())

    def test_who_begins_with_the_old_keys_alone_is_told(self) -> None:
        path = self.config(key={"path": str(self.old.keys)})
        said = mxisd("check", "--config", str(path), folder=self.folder).out
        self.assertIn("warning: key.path: of 6 invites that an older server took, only the keys are here", said)
        engine(load_config(path).storage, REACTOR)  # makes the database, which is all that a start did that failed
        self.assertEqual(mxisd("check", "--config", str(path), folder=self.folder).out, said)
        self.migrate("--yes")
        self.assertNotIn("an older server", mxisd("check", "--config", str(path), folder=self.folder).out)

    def test_the_old_configuration_with_another_database(self) -> None:
        config = yaml.safe_load(self.old.config.read_text())
        self.config(**config)
        done = self.migrate("--yes")
        self.assertEqual((done.code, self.count_files()), (1, 0))
        self.assertIn("which is to be read and stays as it is: name a new file there", done.err)
        config["storage"]["provider"]["sqlite"]["database"] = "mxisd.db"
        self.config(**config)
        self.assertEqual(self.migrate("--yes").code, 0)
        self.assertEqual(self.count("invites"), 6)

    def count_files(self) -> int:
        return len(list(self.folder.glob("mxisd.db*")))

    def test_what_is_wrong_is_said(self) -> None:
        done = self.migrate("--to", "absent.yaml")
        self.assertEqual((done.code, done.out), (1, ""))
        self.assertIn("there is no absent.yaml: the old configuration can be used, with another database", done.err)
        done = self.migrate(source=self.folder / "absent.db")
        self.assertEqual((done.code, done.err), (2, f"mxisd: {self.folder / 'absent.db'}: No such file or directory\n"))
        done = self.migrate(source=self.old.database)
        self.assertIn("the old keys were not found: --keys names the file or the folder", done.err)
        self.assertEqual(self.migrate("--keys", str(self.old.keys), source=self.old.database).code, 0)
        self.config(server={"name": "id.example.org"})
        self.assertIn(
            "the old server signed as matrix.example.org, and server.name is id.example.org", self.migrate().out
        )
        done = mxisd("migrate", folder=self.folder)
        self.assertEqual(done.code, 2)

    def test_storages_that_are_away(self) -> None:
        for backend, settings in (
            ("redis", {"redis": {"url": "redis://localhost:1"}}),
            ("postgresql", {"postgresql": {"database": "//localhost:1/a"}}),
        ):
            self.config(storage={"backend": backend, "provider": settings})
            done = self.migrate()
            self.assertEqual((done.code, done.out, len(done.err.splitlines())), (1, "", 1), done.err)

    async def test_into_redis_with_the_keys(self) -> None:
        server = RedisServer()
        self.addCleanup(server.remove)
        redis = {"url": server.url, "prefix": "new:", "timeout": 10000}
        path = self.config(key={}, storage={"backend": "redis", "provider": {"redis": redis}})
        self.assertEqual(self.migrate().code, 0)
        self.assertEqual(await RedisService(load_config(path).storage.provider.redis, REACTOR, REMEMBER).version(), 0)
        for _ in range(2):
            done = self.migrate("--yes", "--retry-failed")
            self.assertEqual((done.code, done.err), (0, ""))
        started = engine(load_config(path).storage, REACTOR, REMEMBER)
        started.startService()
        self.addCleanup(started.stopService)
        storage = started.storage
        pending: list[Invite] = list(await storage.invites.page(ended=False, offset=0, limit=9))
        self.assertEqual(len(pending), 4)
        self.assertEqual({invite.only_key for invite in pending}, {self.old.facts["key_id"]})
        for given in self.old.facts["sessions"]:
            self.assertIsNotNone(await storage.sessions.get(given["sid"]))
        queued = await storage.outbox.claim("onbind", 2 * 1_795_690_000_000, DAY, 9, {}, 9)
        self.assertEqual([delivery.user_id for delivery in queued.deliveries], ["@refused:example.org"])
        keys = await storage.keys.signing_keys(lambda: b"none")
        self.assertIn(self.old.facts["key_id"].partition(":")[2].encode(), keys)
