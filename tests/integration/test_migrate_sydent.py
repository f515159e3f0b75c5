"""A real Sydent, filled by its users, becomes an mxisd."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from twisted.trial.unittest import SynchronousTestCase

from mxisd.matrix.hashing import digest
from mxisd.matrix.threepid import ThreePid
from tests.cli.command import Done, mxisd
from tests.integration.mailbox import Mailbox
from tests.integration.matrix_client import V1, V2, MatrixClient, Refused
from tests.integration.mxisd import ENVIRONMENT
from tests.integration.names import TWISTD
from tests.integration.openid import OpenIdHomeserver
from tests.integration.process import Process, free_port
from tests.integration.sydent import Sydent
from tests.net.servers import Authority

TERMS = {
    "master_version": "2",
    "docs": {"privacy": {"version": "2", "langs": {"en": {"name": "Privacy", "url": "https://example.org/privacy"}}}},
}


class SydentTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory(prefix="mxisd-tests-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.mailbox = Mailbox()
        self.addCleanup(self.mailbox.stop)
        self.homeserver = OpenIdHomeserver(self.folder, Authority(self.folder / "authority.pem"))
        self.addCleanup(self.homeserver.stop)
        (self.folder / "terms.yaml").write_text(yaml.safe_dump(TERMS))
        self.port = free_port()
        self.internal = MatrixClient(f"http://127.0.0.1:{free_port()}")
        options = {
            "general": {"terms.path": str(self.folder / "terms.yaml")},
            "http": {
                "internalapi.http.bind_address": "127.0.0.1",
                "internalapi.http.port": self.internal.url.rpartition(":")[2],
            },
        }
        self.sydent = Sydent(self.folder / "sydent", self.port, self.mailbox, options)
        self.addCleanup(self.sydent.stop)
        self.client = MatrixClient(self.sydent.url)

    def account(self) -> MatrixClient:
        """An account that has accepted the terms."""
        token = self.client.post(f"{V2}/account/register", self.homeserver.openid_token)["token"]
        client = MatrixClient(self.sydent.url, token=token)
        client.post(f"{V2}/terms", {"user_accepts": ["https://example.org/privacy"]})
        return client

    def invite(self, client: MatrixClient, address: str, room: str = "!r:localhost") -> dict[str, str]:
        """An invite, and what is needed to accept it, as the mail has it."""
        asked = {"medium": "email", "address": address, "room_id": room, "sender": self.homeserver.user_id}
        answer = client.post(f"{V2}/store-invite", asked)
        token, private_key = self.mailbox.next_to(address).get_content().split()
        ephemeral = answer["public_keys"][1]["public_key"]
        return {"token": token, "private_key": private_key, "mxid": "@new:localhost", "public_key": ephemeral}

    def session(self, address: str, secret: str) -> dict[str, str]:
        asked = {"email": address, "client_secret": secret, "send_attempt": 1}
        sid = self.client.post(f"{V1}/validate/email/requestToken", asked)["sid"]
        token = self.mailbox.next_to(address).get_content().strip()
        return {"sid": str(sid), "client_secret": secret, "token": token}

    def looked_up(self, address: str) -> Any:
        return self.client.get(f"{V1}/lookup", {"medium": "email", "address": address})

    def found(self, client: MatrixClient, pepper: str, *addresses: str) -> Any:
        digests = [digest(ThreePid("email", address), pepper) for address in addresses]
        asked = {"algorithm": "sha256", "pepper": pepper, "addresses": digests}
        return client.post(f"{V2}/lookup", asked)["mappings"]

    def migrate(self, *arguments: str) -> Done:
        done = mxisd("migrate", "--from", str(self.sydent.config), *arguments, folder=self.folder)
        self.assertEqual((done.code, done.err), (0, ""), done.out)
        return done

    def start(self) -> None:
        command: list[str | Path] = [TWISTD, "-n", "--pidfile=", "mxisd", "--config", self.folder / "mxisd.yaml"]
        process = Process(command, self.folder / "mxisd.log", ENVIRONMENT)
        self.addCleanup(process.stop)
        process.wait_until(self.client.answers)

    def test_all_of_it(self) -> None:
        account = self.account()
        for name in ("anna", "bert"):
            self.sydent.bind(f"{name}@c.test", f"@{name}:127.0.0.1:1")
        invites = [self.invite(account, address) for address in ("new@c.test", "other@c.test", "new@c.test")]
        done, still_open = self.session("done@c.test", "secret1"), self.session("open@c.test", "secret2")
        self.client.post(f"{V1}/validate/email/submitToken", done)
        signed = [self.client.post(f"{V1}/sign-ed25519", invite) for invite in invites]
        associations = [self.looked_up(f"{name}@c.test") for name in ("anna", "bert", "nobody")]
        pepper = account.get(f"{V2}/hash_details")["lookup_pepper"]
        mappings = self.found(account, pepper, "anna@c.test", "bert@c.test", "nobody@c.test")
        key = self.client.get(f"{V1}/pubkey/ed25519:0")["public_key"]
        self.sydent.stop()
        before = {path: path.read_bytes() for path in (self.folder / "sydent").iterdir() if path.suffix != ".log"}
        dry = self.migrate("--to", "mxisd.yaml")
        self.assertEqual(sorted(path.name for path in self.folder.glob("mxisd*")), [])
        self.assertIn(f"the signing key ed25519:0 comes into {self.folder / 'mxisd.signing.key'}", dry.out)
        self.assertRegex(dry.out, r"Binding +2 +0 +0\n")
        self.assertRegex(dry.out, r"Invite +3 ")
        self.assertIn(
            "1 pending invite of the same sender into the same room as a later one comes as cancelled", dry.out
        )
        self.migrate("--to", "mxisd.yaml", "--yes", "--keep-for", "3d")
        self.assertEqual({path: path.read_bytes() for path in before}, before)
        self.start()
        self.assertEqual([self.looked_up(f"{name}@c.test") for name in ("anna", "bert", "nobody")], associations)
        self.assertEqual(account.get(f"{V2}/account"), {"user_id": self.homeserver.user_id})
        self.assertEqual(account.get(f"{V2}/hash_details")["lookup_pepper"], pepper)
        self.assertEqual(self.found(account, pepper, "anna@c.test", "bert@c.test", "nobody@c.test"), mappings)
        self.assertEqual(len(mappings), 2)
        self.assertEqual([self.client.post(f"{V1}/sign-ed25519", invite) for invite in invites], signed)
        self.assertEqual(self.client.get(f"{V1}/pubkey/ed25519:0")["public_key"], key)
        self.assertEqual(self.client.get(f"{V1}/pubkey/isvalid", {"public_key": key}), {"valid": True})
        for invite in invites:
            query = {"public_key": invite["public_key"]}
            self.assertEqual(self.client.get(f"{V1}/pubkey/ephemeral/isvalid", query), {"valid": True})
        proof = {name: done[name] for name in ("sid", "client_secret")}
        self.assertEqual(self.client.get(f"{V1}/3pid/getValidated3pid", proof)["address"], "done@c.test")
        self.assertEqual(self.client.post(f"{V1}/validate/email/submitToken", still_open), {"success": True})

    def test_what_homeservers_bind_themselves(self) -> None:
        """As the bind modules of Synapse ask."""
        asked = {"medium": "email", "address": "anna@c.test", "mxid": "@anna:127.0.0.1:1"}
        theirs = self.internal.post("/_matrix/identity/internal/bind", asked)
        self.sydent.stop()
        self.migrate("--to", "mxisd.yaml", "--yes")
        self.start()
        ours = self.internal.post("/_matrix/identity/internal/bind", asked)
        self.assertEqual({name: ours[name] for name in asked}, {name: theirs[name] for name in asked})
        self.assertEqual(ours.keys(), theirs.keys())
        self.assertEqual(self.looked_up("anna@c.test"), ours)
        self.assertEqual(self.internal.post("/_matrix/identity/internal/unbind", asked), {})
        self.assertEqual(self.looked_up("anna@c.test"), {})
        for client, path in ((self.client, "/_matrix/identity/internal/bind"), (self.internal, f"{V1}/lookup")):
            with self.assertRaises(Refused) as refused:
                client.post(path, asked)
            self.assertEqual(refused.exception.status, 404)

    def test_a_second_time_what_is_new(self) -> None:
        account = self.account()
        self.sydent.bind("anna@c.test", "@anna:127.0.0.1:1")
        self.migrate("--to", "mxisd.yaml", "--yes")
        self.sydent.bind("bert@c.test", "@bert:127.0.0.1:1")
        self.invite(account, "new@c.test")
        again = self.migrate("--yes")
        self.assertRegex(again.out, r"Binding +1 +1 +0\n")
        self.assertRegex(again.out, r"Invite +1 +0 +0\n")
        self.assertRegex(again.out, r"AccessToken +0 +1 +0\n")
        with closing(sqlite3.connect(self.folder / "mxisd.db")) as database:
            bound = database.execute("SELECT address FROM bindings ORDER BY address").fetchall()
        self.assertEqual(bound, [("anna@c.test",), ("bert@c.test",)])

    def test_terms_that_have_changed_are_to_be_accepted_again(self) -> None:
        account = self.account()
        self.sydent.stop()
        (self.folder / "terms.yaml").write_text(yaml.safe_dump(TERMS | {"master_version": "3"}))
        self.assertRegex(
            self.migrate("--to", "mxisd.yaml", "--yes").out, "the terms have changed since they were accepted"
        )
        self.start()
        with self.assertRaises(Refused) as refused:
            account.get(f"{V2}/hash_details")
        self.assertEqual(refused.exception.body["errcode"], "M_TERMS_NOT_SIGNED")
