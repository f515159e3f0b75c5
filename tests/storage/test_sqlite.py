"""SQLite: the contract, in memory and on disk, and what is particular to a database file and its threads."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from mxisd.matrix.hashing import digest
from mxisd.matrix.threepid import ThreePid
from mxisd.storage.buckets import Charge
from mxisd.storage.contract import StorageUnavailable
from mxisd.storage.records import Session, secret_digest, token_digest
from mxisd.storage.sqlite import SQLiteService, database, hashes, schema
from mxisd.storage.sqlite.buckets import FEW, SQLiteBuckets
from mxisd.storage.sqlite.database import STEP, SQLiteDatabase
from mxisd.storage.sqlite.schema import UnusableDatabase, migrate, open_connection, upgrade
from mxisd.storage.sqlite.worker import Job, ThreadWorker, run_reads, run_writes
from tests.make import BOB, EMAIL, NOW, binding, result, session
from tests.storage import contract
from tests.storage.contract import together
from tests.storage.inline import InlineWorker, storage_in_memory, storage_of

REACTOR: Any = reactor


class InMemoryTests(contract.StorageContract):
    """The contract without threads: quick, and whatever fails here fails in SQL."""

    def setUp(self) -> None:
        self.storage = storage_in_memory()

    async def restart(self) -> None:
        """Memory outlives nothing."""


class OnDiskTests(contract.StorageContract):
    """The contract as it is in service."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.start()
        self.addCleanup(lambda: self.service.stopService())

    def start(self) -> None:
        upgrade(self.path)
        self.service = SQLiteService(self.path, REACTOR)
        self.service.startService()
        self.storage = self.service.storage

    async def restart(self) -> None:
        await self.service.stopService()
        self.start()


class InTheReactorsThreadTests(OnDiskTests):
    """The contract as it is when the disk keeps up: what is little is read without a thread."""

    def setUp(self) -> None:
        self.patch(database, "PROOFS", 0)
        super().setUp()


class WhereToReadTests(SynchronousTestCase):
    """Little is read in the reactor's thread, unless it would have to wait for the disk."""

    def setUp(self) -> None:
        self.disk_reads = 0
        self.patch(database, "_disk_reads", lambda: self.disk_reads)
        self.worker = Asked(open_connection(":memory:"), run_reads)
        self.database = SQLiteDatabase(self.worker, self.worker)
        self.database.start(open_connection(":memory:"))
        self.addCleanup(self.database.stop)

    def look_up(self, times: int, *, on_disk: bool = False) -> int:
        """How many of so many look-ups the worker does."""
        self.worker.asked = 0
        for _ in range(times):
            result(self.database.look_up(self.something, on_disk))
        return self.worker.asked

    def something(self, _: sqlite3.Connection, on_disk: bool) -> None:
        self.disk_reads += on_disk

    def test_the_worker_finds_out_that_the_disk_is_not_needed(self) -> None:
        self.assertEqual(self.look_up(1000), database.PROOFS)
        self.assertEqual(self.look_up(1000), 0)

    def test_the_worker_goes_on_while_the_disk_is_needed(self) -> None:
        for _ in range(10):
            self.look_up(database.PROOFS - 1)
            self.assertEqual(self.look_up(1, on_disk=True), 1)
        self.assertEqual(self.look_up(1000), database.PROOFS)

    def test_after_one_that_took_the_disk_long_the_worker_is_back(self) -> None:
        self.look_up(database.PROOFS)
        self.patch(database, "PATIENCE", -1.0)
        self.assertEqual(self.look_up(1, on_disk=True), 0)
        self.assertEqual(self.look_up(database.PROOFS), database.PROOFS)

    def test_what_takes_long_without_the_disk_is_no_reason(self) -> None:
        self.look_up(database.PROOFS)
        self.patch(database, "PATIENCE", -1.0)
        self.assertEqual(self.look_up(10), 0)

    def test_what_cannot_be_read_at_once_is_left_to_the_worker(self) -> None:
        self.look_up(database.PROOFS)
        failures = [sqlite3.OperationalError("database is locked")]

        def read(_: sqlite3.Connection) -> str:
            if failures:
                raise failures.pop()
            return "read"

        self.assertEqual(result(self.database.look_up(read)), "read")

    def test_after_the_end_the_worker_answers(self) -> None:
        self.look_up(database.PROOFS)
        self.database.stop()
        self.assertEqual(self.look_up(1), 1)


class Asked(InlineWorker):
    """A worker that counts its jobs."""

    asked = 0

    def run(self, job: Job) -> Deferred[Any]:
        self.asked += 1
        return super().run(job)


class ThreadTests(TestCase):
    """What the threads promise beyond the contract."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        upgrade(self.path)
        self.service = SQLiteService(self.path, REACTOR)
        self.sessions = self.service.storage.sessions

    async def test_writes_that_wait_together_are_one_commit(self) -> None:
        statements: list[str] = []

        def connect() -> sqlite3.Connection:
            connection = open_connection(self.path)
            connection.set_trace_callback(statements.append)
            return connection

        worker = ThreadWorker("test", connect, REACTOR, run_writes)
        worker.start()
        release = Event()
        first = worker.run(lambda _: release.wait())
        others = [worker.run(lambda _: None) for _ in range(100)]
        release.set()
        await gatherResults([first, *others])
        await worker.stop()
        self.assertEqual(statements.count("COMMIT"), 2)

    async def test_a_stop_writes_what_was_promised_before(self) -> None:
        self.service.startService()
        kept = [session() for _ in range(100)]
        opened = Deferred.fromCoroutine(together(*map(self.open, kept)))
        stopped = self.service.stopService()
        await opened
        await stopped
        with closing(open_connection(self.path)) as database:
            for each in kept:
                self.assertEqual(await storage_of(database).sessions.get(each.sid), each)

    async def test_after_a_stop_calls_fail_and_do_not_hang(self) -> None:
        self.service.startService()
        await self.service.stopService()
        with self.assertRaises(StorageUnavailable):
            await self.sessions.get("any")
        with self.assertRaises(StorageUnavailable):
            await self.open(session())

    async def test_an_address_that_cannot_be_sought_fails_alone(self) -> None:
        # A lone surrogate has no UTF-8.
        bindings = self.service.storage.bindings
        self.service.startService()
        await bindings.bind(binding(), "example.org")
        results = await together(*(self.outcome(address) for address in ("\ud800", EMAIL.address, "\udfff", "none")))
        await self.service.stopService()
        self.assertIsInstance(results[0], UnicodeError)
        self.assertEqual(results[1], binding())
        self.assertIsNone(results[3])

    async def outcome(self, address: str) -> object:
        try:
            return await self.service.storage.bindings.get(ThreePid("email", address))
        except UnicodeError as error:
            return error

    async def open(self, kept: Session) -> object:
        return await self.sessions.open(kept, alive_since=NOW, max_guesses=5, most=999)


class BatchTests(SynchronousTestCase):
    """What becomes of jobs that share a transaction."""

    def setUp(self) -> None:
        self.database = open_connection(Path(self.mktemp()))
        self.database.execute("CREATE TABLE things (name TEXT UNIQUE, size BLOB)")
        self.addCleanup(self.database.close)

    def test_a_job_that_fails_is_undone_alone(self) -> None:
        def half(database: sqlite3.Connection) -> None:
            insert("half")(database)
            insert("first")(database)

        first, failed, last = self.write(insert("first"), half, insert("last"))
        self.assertEqual(self.names(), ["first", "last"])
        self.assertEqual([first, last], ["first", "last"])
        self.assertIsInstance(failed.value, sqlite3.IntegrityError)

    def test_when_the_commit_fails_nothing_is_acknowledged(self) -> None:
        self.database.execute("PRAGMA foreign_keys = ON")
        self.database.execute("CREATE TABLE parts (name REFERENCES things (name) DEFERRABLE INITIALLY DEFERRED)")

        def orphan(database: sqlite3.Connection) -> None:
            database.execute("INSERT INTO parts VALUES ('none')")

        self.assert_all_unavailable(self.write(insert("first"), orphan))
        self.assertEqual(self.names(), [])
        self.assertEqual(self.write(insert("later")), ["later"])

    def test_a_full_disk_is_unavailability_and_passes(self) -> None:
        self.database.execute("PRAGMA max_page_count = 20")
        self.assert_all_unavailable(self.write(insert("big", b" " * 1_000_000)))
        self.assertEqual(self.names(), [])
        self.database.execute("PRAGMA max_page_count = 2000")
        self.assertEqual(self.write(insert("big", b" " * 1_000_000)), ["big"])

    def test_a_locked_database_is_unavailability_and_passes(self) -> None:
        path = self.database.execute("PRAGMA database_list").fetchone()["file"]
        self.database.execute("PRAGMA busy_timeout = 1")
        with closing(open_connection(path)) as other:
            other.execute("BEGIN IMMEDIATE")
            self.assert_all_unavailable(self.write(insert("first"), insert("second")))
            other.execute("ROLLBACK")
        self.assertEqual(self.write(insert("first")), ["first"])

    def write(self, *jobs: Job) -> list[Any]:
        outcomes = run_writes(self.database, [(job, Deferred()) for job in jobs])
        return [outcome for portion in outcomes for _, outcome in portion]

    def names(self) -> list[str]:
        return [row["name"] for row in self.database.execute("SELECT name FROM things ORDER BY name")]

    def assert_all_unavailable(self, outcomes: list[Any]) -> None:
        for outcome in outcomes:
            self.assertIsInstance(outcome, Failure)
            self.assertIsInstance(outcome.value, StorageUnavailable)


def insert(name: str, size: bytes = b"") -> Job:
    def job(database: sqlite3.Connection) -> str:
        database.execute("INSERT INTO things VALUES (?, ?)", (name, size))
        return name

    return job


# What the first schema kept: its words for columns and tables are not today's.
OF_SCHEMA_1 = """
    INSERT INTO bindings VALUES ('email', 'bob@example.com', '@bob:example.org', 1, x'7b7d');
    INSERT INTO peppers VALUES (1, 'pepper', 1, 1);
    INSERT INTO listings VALUES (1, 1, '');
    INSERT INTO hashes VALUES (1, 'digest', '@bob:example.org');
    INSERT INTO invites VALUES ('token', 'email', 'bob@example.com', '!room:example.org', '@alice:example.org', 1,
        'public', '', '{}', 0, 0, 0, NULL, 'resolved', 2, '@bob:example.org');
    INSERT INTO deliveries (kind, destination, medium, address, token, mxid, created, due)
        VALUES ('onbind', 'example.org', 'email', 'bob@example.com', 'token', '@bob:example.org', 2, 2);
    INSERT INTO occasions VALUES ('warning', 3);
    INSERT INTO transactions VALUES ('1', 1);
    INSERT INTO sessions VALUES ('sid', 's3cret', 'email', 'bob@example.com', '123456', 1, 1, NULL, NULL, 0);
"""


class SchemaTests(SynchronousTestCase):
    """Which files are taken, and what becomes of them."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def test_a_new_file_is_for_its_owner_only(self) -> None:
        upgrade(self.path)
        with closing(open_connection(self.path)) as database:
            result(storage_of(database).transactions.done("1", "a", 1))
            files = [self.path, *self.path.parent.glob(f"{self.path.name}-*")]
            self.assertEqual({file.stat().st_mode & 0o777 for file in files}, {0o600})
            self.assertGreater(len(files), 1)

    def test_an_empty_file_becomes_a_database(self) -> None:
        self.path.touch()
        upgrade(self.path)
        upgrade(self.path)

    def test_an_older_database_is_upgraded_and_a_copy_is_kept(self) -> None:
        upgrade(self.path)
        with closing(open_connection(self.path)) as database:
            result(storage_of(database).transactions.done("kept", "a", 1))
        old = schema.migrations()
        self.patch(schema, "migrations", lambda: [*old, "ALTER TABLE transactions ADD COLUMN extra TEXT"])
        upgrade(self.path)
        copy = self.path.with_name(f"{self.path.name}.v{len(old)}")
        self.assertEqual(copy.stat().st_mode & 0o777, 0o600)
        for path, columns in ((self.path, 4), (copy, 3)):
            with closing(sqlite3.connect(path)) as database:
                (row,) = database.execute("SELECT * FROM transactions")
                self.assertEqual((row[0], len(row)), ("kept", columns))

    def test_what_the_first_schema_kept_is_still_there(self) -> None:
        first = schema.migrations()[:1]
        patch = self.patch(schema, "migrations", lambda: first)
        upgrade(self.path)
        patch.restore()
        with closing(open_connection(self.path)) as database:
            database.executescript(OF_SCHEMA_1)
        upgrade(self.path)
        database = open_connection(self.path)
        self.addCleanup(database.close)
        storage = storage_of(database)
        bound = result(storage.bindings.get(ThreePid("email", "bob@example.com")))
        self.assertEqual(bound and (bound.user_id, bound.bound_at, bound.signed), (BOB, 1, b"{}"))
        self.assertEqual(result(storage.hashes.find("pepper", ["digest"])), {"digest": BOB})
        (ended,) = result(storage.invites.page(ended=True, offset=0, limit=5))
        (delivery,) = result(storage.outbox.of_invite("token"))
        self.assertEqual((ended.user_id, delivery.user_id), (BOB, BOB))
        # Nobody knows who sent it.
        self.assertIs(ended.proven, False)
        self.assertEqual([result(storage.cooldowns.take("warning", now, 1)) for now in (2, 3)], [False, True])
        session = result(storage.sessions.get("sid"))
        assert session is not None
        self.assertEqual(session.secret_digest, secret_digest("email", "bob@example.com", "s3cret"))
        self.assertEqual(session.token_digests, token_digest("sid", "s3cret", "123456"))
        self.assertEqual(result(storage.sessions.open(session, alive_since=1, max_guesses=5, most=9)), session)
        with closing(sqlite3.connect(self.path.with_name(f"{self.path.name}.v1"))) as copy:
            self.assertEqual(copy.execute("SELECT mxid FROM bindings").fetchall(), [(BOB,)])

    def test_spellings_of_a_domain_become_one(self) -> None:
        upgrade(self.path)
        # What hashes are made of was one spelling.
        hashing = self.patch(hashes, "digests", lambda threepid, pepper: [digest(threepid, pepper)])
        with closing(open_connection(self.path)) as database:
            result(contract.keep_both_spellings(storage_of(database)))
            # Back to schema 2: what came with later ones is taken away.
            database.executescript(
                "ALTER TABLE invites DROP COLUMN proven; ALTER TABLE invites DROP COLUMN only_key;"
                "ALTER TABLE invites DROP COLUMN signed_by; ALTER TABLE invites DROP COLUMN key_id;"
                "DROP TRIGGER deliveries_take_turns; DROP INDEX deliveries_by_turn; DROP INDEX deliveries_by_sender;"
                "ALTER TABLE deliveries DROP COLUMN sender; ALTER TABLE deliveries DROP COLUMN server;"
                "ALTER TABLE deliveries DROP COLUMN turn;"
                "CREATE INDEX deliveries_by_destination ON deliveries (kind, destination, due) WHERE state = 'queued';"
                "PRAGMA user_version = 2;"
                "ALTER TABLE sessions RENAME COLUMN secret_digest TO client_secret;"
                "ALTER TABLE sessions RENAME COLUMN token_digests TO token;"
                "UPDATE sessions SET client_secret = 's'"
            )
        hashing.restore()
        upgrade(self.path)
        database = open_connection(self.path)
        self.addCleanup(database.close)
        storage = storage_of(database)
        result(contract.check_one_spelling(self, storage))
        a_labels = contract.A_LABELS
        again = session(threepid=a_labels, secret_digest=secret_digest(*a_labels, "s"))
        known = result(storage.sessions.open(again, alive_since=NOW, max_guesses=5, most=999))
        self.assertNotEqual(known.sid, again.sid)
        self.assertEqual(database.execute("SELECT count(*) FROM hashes").fetchone()[0], 7)

    def test_a_script_that_fails_changes_nothing(self) -> None:
        upgrade(self.path)
        old = schema.migrations()
        self.patch(schema, "migrations", lambda: [*old, "CREATE TABLE extra (a); CREATE TABLE transactions (a)"])
        self.assert_unusable("already exists")
        self.patch(schema, "migrations", lambda: old)
        upgrade(self.path)
        with closing(sqlite3.connect(self.path)) as database:
            self.assertEqual(database.execute("SELECT * FROM sqlite_master WHERE name = 'extra'").fetchall(), [])

    def test_a_newer_database_is_refused(self) -> None:
        upgrade(self.path)
        with closing(sqlite3.connect(self.path)) as database:
            database.execute("PRAGMA user_version = 9999")
        self.assert_unusable("version 9999, made by a newer mxisd")

    def test_the_database_of_something_else_is_refused_and_left_alone(self) -> None:
        for version in (0, 1):
            self.path = Path(self.mktemp())
            with closing(sqlite3.connect(self.path)) as database:
                database.execute("CREATE TABLE sessions (id)")
                database.execute(f"PRAGMA user_version = {version}")
            before = self.path.read_bytes()
            self.assert_unusable("was not made by this mxisd")
            self.assertEqual(self.path.read_bytes(), before)

    def test_what_is_no_database_is_refused_and_left_alone(self) -> None:
        self.path.write_text("server:\n  name: example.org\n" * 100)
        before = self.path.read_bytes()
        self.assert_unusable("not a database")
        self.assertEqual(self.path.read_bytes(), before)

    def test_a_missing_folder_is_named(self) -> None:
        self.path = self.path / "none" / "mxisd.db"
        self.assert_unusable("is missing or not writable")

    def assert_unusable(self, reason: str) -> None:
        error = self.assertRaises(UnusableDatabase, upgrade, self.path)
        self.assertIn(str(self.path), str(error))
        self.assertIn(reason, str(error))


class BucketTests(SynchronousTestCase):
    def test_buckets_that_are_full_are_forgotten(self) -> None:
        buckets = SQLiteBuckets()
        for time in range(100_000):
            result(buckets.take([Charge(str(time), 10, 10)], time))
        self.assertLess(len(buckets._full_at), 2 * FEW)


class PresenceTests(TestCase):
    """The file under a running server."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        upgrade(self.path)
        self.service = SQLiteService(self.path, REACTOR)
        self.service.startService()
        self.addCleanup(self.service.stopService)
        self.told: list[str] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            if event["log_level"] is LogLevel.critical:
                self.told.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    async def assert_not_written(self) -> None:
        for _ in range(2):
            with self.assertRaises(StorageUnavailable):
                await self.service.storage.sessions.open(session(), alive_since=NOW, max_guesses=5, most=999)
        self.assertEqual(len(self.told), 1)
        self.assertIn(str(self.path), self.told[0])

    async def test_removed(self) -> None:
        self.path.unlink()
        await self.assert_not_written()

    async def test_damaged(self) -> None:
        """What cannot be read is a storage that is away: whoever asked may come again."""
        self.path.with_name(f"{self.path.name}-wal").write_bytes(b"")
        self.path.write_bytes(b"damaged" * 10_000)
        for _ in range(200):  # by the worker, and by the reactor's thread
            with self.assertRaises(StorageUnavailable):
                await self.service.storage.bindings.users_of([ThreePid("email", "a@example.com")])

    async def test_replaced(self) -> None:
        other = self.mktemp()
        upgrade(Path(other))
        shutil.move(other, self.path)
        await self.assert_not_written()

    async def test_started_again(self) -> None:
        self.path.unlink()
        await self.assert_not_written()
        await self.service.stopService()
        upgrade(self.path)
        self.service = SQLiteService(self.path, REACTOR)
        self.service.startService()
        kept = session()
        await self.service.storage.sessions.open(kept, alive_since=NOW, max_guesses=5, most=999)
        self.assertEqual(await self.service.storage.sessions.get(kept.sid), kept)
        await self.service.stopService()


class FirstStartTests(SynchronousTestCase):
    def told(self, path: Path) -> list[str]:
        lines: list[str] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            lines.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        try:
            upgrade(path)
        finally:
            globalLogPublisher.removeObserver(observe)
        return [line for line in lines if "made the new and empty database" in line]

    def test_a_new_database_is_told_of(self) -> None:
        path = Path(self.mktemp())
        self.assertEqual([len(self.told(path)) for _ in range(2)], [1, 0])
        path.write_bytes(b"")
        self.assertEqual(len(self.told(path)), 1)

    def test_a_full_disk_is_named(self) -> None:
        path = Path(self.mktemp())
        self.patch(schema, "open_connection", self.without_room)
        self.patch(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 2048))
        with self.assertRaises(UnusableDatabase) as raised:
            upgrade(path)
        self.assertIn(f"the disk of {path.absolute().parent} is full: 2 KiB are left", str(raised.exception))

    def without_room(self, _: Path) -> None:
        raise sqlite3.OperationalError("disk I/O error")


class Usage(NamedTuple):
    total: int
    used: int
    free: int


class PurgeTests(SynchronousTestCase):
    def test_all_goes_in_portions(self) -> None:
        connection = open_connection(":memory:")
        migrate(connection)
        connection.executemany(
            "INSERT INTO transactions VALUES (?, 'a', 1)", ((str(number),) for number in range(3 * STEP + 1))
        )
        storage = storage_of(connection)
        self.assertEqual(result(storage.transactions.purge(2)), 3 * STEP + 1)
        self.assertEqual(result(storage.transactions.purge(2)), 0)
