"""What real old servers left, served by a real mxisd: it answers as they did."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import SkipTest

import yaml
from twisted.trial.unittest import SynchronousTestCase

from mxisd.matrix.signing import public_key_of
from tests.cli.command import Done, mxisd
from tests.integration.matrix_client import V1, V2, MatrixClient, Refused
from tests.integration.mxisd import Mxisd
from tests.integration.onbind_log import OnbindLog
from tests.integration.process import eventually, free_port
from tests.migrate.old_servers import OldServer
from tests.servers import postgresql

# When the sessions of the old servers were new, in milliseconds.
THEN = 1_795_690_000_000
SESSION_TIMES = ('"creationTime"', '"validationTime"')


def younger() -> list[str]:
    """The statements by which all validation sessions are an hour old."""
    age = int(time.time() * 1000) - THEN - 3_600_000
    return [f"UPDATE session_3pid SET {column} = {column} + {age}" for column in SESSION_TIMES]  # noqa: S608


class OldServerCase(SynchronousTestCase):
    """One old server, and a new one in its place."""

    name = ""

    def setUp(self) -> None:
        if not self.name:
            raise SkipTest("this is what the others share")
        folder = TemporaryDirectory(prefix="mxisd-tests-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.old = OldServer(self.name, self.folder)
        self.homeserver = OnbindLog(0.0)
        self.addCleanup(self.homeserver.stop)
        self.port = free_port()
        self.client = MatrixClient(f"http://127.0.0.1:{self.port}")
        self.make_recent()

    def make_recent(self) -> None:
        """The validation sessions are of today."""
        self.old.change(*younger())

    def config(self) -> dict[str, Any]:
        """The old configuration, with a place of its own for the data."""
        config: dict[str, Any] = yaml.safe_load(self.old.config.read_text())
        config["storage"] = {"provider": {"sqlite": {"database": str(self.folder / "new.db")}}}
        config["server"] |= {"bind": [f"tcp:{self.port}:interface=127.0.0.1"]}
        del config["server"]["port"]
        homeserver = f"http://127.0.0.1:{self.homeserver.port}"
        config["dns"]["overwrite"]["homeserver"]["federation"] = [
            {"name": name, "value": homeserver} for name in ("example.org", "other.example")
        ]
        return config

    def migrate(self, *arguments: str) -> Done:
        path = self.folder / "mxisd.yaml"
        path.write_text(yaml.safe_dump(self.config()))
        done = mxisd("migrate", "--from", str(self.old.config), "--to", str(path), *arguments, folder=self.folder)
        self.assertEqual((done.code, done.err), (0, ""), done.out)
        return done

    def start(self) -> Mxisd:
        server = Mxisd(self.folder, self.port, self.config())
        self.addCleanup(server.stop)
        return server

    def check(self) -> None:
        facts = self.old.facts
        self.assertEqual(self.client.get(f"{V1}/pubkey/{facts['key_id']}")["public_key"], facts["public_key"])
        self.assert_valid("pubkey/isvalid", facts["public_key"])
        for given in facts["invites"]:
            self.check_invite(given)
        for given in facts["sessions"]:
            self.check_session(given)
        for given in facts["accounts"]:
            self.check_account(given)

    def assert_valid(self, path: str, public_key: str) -> None:
        """That the URL which events of rooms name says so."""
        self.assertEqual(self.client.get(f"{V1}/{path}", {"public_key": public_key}), {"valid": True})

    def check_invite(self, given: Any) -> None:
        asked = {"medium": "email", **{name: given[name] for name in ("address", "room_id", "sender")}}
        if given["status"] != 200:
            with self.assertRaises(Refused) as refused:
                self.client.post(f"{V1}/store-invite", asked)
            self.assertEqual(refused.exception.status, given["status"])
            return
        token = given["answer"]["token"]
        if "signed" not in given:
            return
        for published in given["answer"]["public_keys"]:
            self.assert_valid("pubkey/isvalid", published["public_key"])
        accepting = {"token": token, "mxid": "@newcomer:example.org", "private_key": given["private_key"]}
        self.assertEqual(self.client.post(f"{V1}/sign-ed25519", accepting), given["signed"])
        self.assert_valid("pubkey/ephemeral/isvalid", public_key_of(given["private_key"]))
        other = next(
            each for each in self.old.facts["invites"] if each.get("private_key") not in (None, given["private_key"])
        )
        with self.assertRaises(Refused):
            self.client.post(f"{V1}/sign-ed25519", accepting | {"private_key": other["private_key"]})

    def check_session(self, given: Any) -> None:
        proof = {name: given[name] for name in ("sid", "client_secret")}
        if not given["validated"]:
            with self.assertRaises(Refused) as refused:
                self.client.get(f"{V1}/3pid/getValidated3pid", proof)
            self.assertEqual(refused.exception.body["errcode"], "M_SESSION_NOT_VALIDATED")
            answer = self.client.post(f"{V1}/validate/email/submitToken", proof | {"token": given["token"]})
            self.assertTrue(answer["success"])
        validated = self.client.get(f"{V1}/3pid/getValidated3pid", proof)
        self.assertEqual((validated["medium"], validated["address"]), ("email", given["address"]))

    def check_account(self, given: Any) -> None:
        client = MatrixClient(self.client.url, token=given["token"])
        self.assertEqual(client.get(f"{V2}/account"), {"user_id": given["user_id"]})
        pepper = client.get(f"{V2}/hash_details")["lookup_pepper"]
        asked = {"algorithm": "sha256", "pepper": pepper, "addresses": ["none"]}
        if given.get("accepted"):
            self.assertEqual(client.post(f"{V2}/lookup", asked), {"mappings": {}})
        else:
            with self.assertRaises(Refused) as refused:
                client.post(f"{V2}/lookup", asked)
            self.assertEqual(refused.exception.body["errcode"], "M_TERMS_NOT_SIGNED")

    def kept(self) -> dict[str, bytes]:
        """The database and the keys."""
        return {name: content for name, content in self.old.contents().items() if not name.endswith(".yaml")}

    def onbind_of(self, address: str) -> Any:
        """What the old server sent, or tried to send."""
        (found,) = [each for each in self.old.facts["onbinds"] if each["address"] == address]
        return found


class FactsTests:
    """Each old server is held to the answers that it gave."""

    def test_it_answers_as_before(self: Any) -> None:
        before = self.kept()
        self.migrate()
        self.migrate("--yes", "--keep-for", "7d")
        self.start()
        self.check()
        self.assertEqual(self.kept(), before)
        self.assertEqual(self.homeserver.bodies, [])

    def test_what_failed_is_delivered(self: Any) -> None:
        self.migrate("--yes", "--keep-for", "7d", "--retry-failed")
        self.start()
        (body,) = eventually(lambda: self.homeserver.bodies)
        address = body["address"]
        self.assertTrue(address.startswith("refused-later"))
        self.assertEqual(body["invites"], self.onbind_of(address)["invites"])


class MxisdTests(OldServerCase, FactsTests):
    name = "mxisd-sqlite"


class Ma1sdTests(OldServerCase, FactsTests):
    name = "ma1sd-sqlite"


class PostgreSQLTests(OldServerCase, FactsTests):
    name = "ma1sd-postgresql"

    def setUp(self) -> None:
        if not postgresql.available():
            raise SkipTest("PostgreSQL is not installed")
        super().setUp()

    def make_recent(self) -> None:
        server = postgresql.postgresql()
        self.database = server.load(self.old.folder / "dump.sql")
        text = self.old.config.read_text().replace("'ma1sd'", "'postgres'")
        self.old.config.write_text(text.replace("//localhost/ma1sd", f"//127.0.0.1:{server.port}/{self.database}"))
        for statement in younger():
            server.execute(statement, self.database)

    def test_urls(self) -> None:
        path = self.folder / "mxisd.yaml"
        path.write_text(yaml.safe_dump(self.config()))
        port, command = postgresql.postgresql().port, ("migrate", "--to", str(path), "--from")
        for url in (
            f"postgresql://postgres:s3cret@127.0.0.1:{port}/{self.database}",
            f"jdbc:postgresql://127.0.0.1:{port}/{self.database}?user=postgres&password=s3cret",
        ):
            done = mxisd(*command, url, "--keys", str(self.old.keys), folder=self.folder)
            self.assertEqual((done.code, done.err), (0, ""))
            self.assertRegex(done.out, r"Invite +6 +0 +0\n")
            self.assertNotIn("s3cret", done.out)
        done = mxisd(
            "migrate", "--from", f"postgresql://127.0.0.1:1/{self.database}", "--to", str(path), folder=self.folder
        )
        self.assertEqual(done.code, 1)
        self.assertIn("cannot be read", done.err)


class PostgreSQLInPlaceTests(PostgreSQLTests):
    """The old configuration as it is: our tables are beside those of ma1sd, in the same database."""

    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = yaml.safe_load(self.old.config.read_text())
        return super().config() | {"storage": config["storage"], "key": {"path": str(self.folder / "signing.key")}}

    def test_nothing_is_made_before_it_is_wanted(self) -> None:
        query = "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'mxisd_%'"
        server = postgresql.postgresql()
        for arguments, tables in (((), False), (("--yes",), True)):
            self.migrate(*arguments)
            (count,) = server.execute(query, self.database)
            self.assertEqual(count != (0,), tables)

    def test_who_forgets_is_told(self) -> None:
        server = self.start()
        eventually(lambda: "ma1sd has left tables here: 'mxisd migrate --from ma1sd.yaml'" in server.log)


class SingleKeyTests(SynchronousTestCase):
    def test_the_key_is_used_as_it_is(self) -> None:
        with TemporaryDirectory(prefix="mxisd-tests-") as name:
            old = OldServer("mxisd-single-key", Path(name))
            before, port = old.contents(), free_port()
            config = {
                "matrix": {"domain": "example.org"},
                "server": {"bind": [f"tcp:{port}:interface=127.0.0.1"]},
                "key": {"path": str(old.keys)},
                "threepid": {"medium": {"email": {"connector": "none"}}},
            }
            server = Mxisd(Path(name), port, config)
            self.addCleanup(server.stop)
            client, facts = MatrixClient(server.url), old.facts
            self.assertEqual(client.get(f"{V1}/pubkey/{facts['key_id']}"), {"public_key": facts["public_key"]})
            self.assertEqual(client.get(f"{V1}/pubkey/isvalid", {"public_key": facts["public_key"]}), {"valid": True})
            self.assertEqual(old.contents(), before)
