"""
Three processes on one storage behind nginx, with processes killed and stalled, and the storage killed, in the middle.

``MXISD_INVITES=2000`` makes the story as long as one likes; otherwise it has a few hundred invites.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer

from twisted.trial.unittest import SynchronousTestCase

from mxisd.outbox.worker import LEASE
from tests.integration.mailbox import Mailbox
from tests.integration.matrix_client import V1, MatrixClient, Refused
from tests.integration.mxisd import Mxisd
from tests.integration.nginx import Nginx
from tests.integration.onbind_log import Interruption, OnbindLog, faults
from tests.integration.process import eventually, free_port, installed
from tests.integration.shared_storage import SharedStorage
from tests.net.servers import Authority

INVITES = int(os.environ.get("MXISD_INVITES", "300"))
SEED = int(os.environ.get("MXISD_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
DOMAIN = "matrix.test"
CONCURRENCY = 4


class SeveralProcesses(SynchronousTestCase):
    """On whatever :meth:`storage` makes."""

    def storage(self) -> SharedStorage:
        raise NotImplementedError

    def setUp(self) -> None:
        installed("nginx")
        folder = TemporaryDirectory(prefix="mxisd-several-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.folder.chmod(0o755)  # nginx drops its privileges
        self.chosen = random.Random(SEED)
        self.shared = self.storage()
        self.addCleanup(self.shared.remove)
        self.homeserver = OnbindLog(pause=0.1)
        self.addCleanup(self.homeserver.stop)
        self.mailbox = Mailbox()
        self.addCleanup(self.mailbox.stop)
        self.people = self.folder / "people.db"
        self.run_sql("CREATE TABLE people (mxid TEXT, address TEXT)")
        ports = [free_port() for _ in range(3)]
        authority = Authority(self.folder / "authority.pem")
        nginx = Nginx(self.folder / "nginx", authority, ["localhost"], ports[0], self.homeserver.port, also=ports[1:])
        self.addCleanup(nginx.stop)
        self.url, self.ca_file = f"https://localhost:{nginx.port}", authority.path
        self.processes = [self.start(number, port) for number, port in enumerate(ports)]
        self.interruptions: list[Interruption] = []
        self.rooms: dict[str, str] = {}

    def start(self, number: int, port: int) -> Mxisd:
        smtp = {"host": "127.0.0.1", "port": self.mailbox.port, "tls": 0}
        email = {"identity": {"from": f"mxisd@{DOMAIN}"}, "connectors": {"smtp": smtp}}
        homeserver = {"name": DOMAIN, "value": f"http://127.0.0.1:{self.homeserver.port}"}
        process = Mxisd(
            self.folder / f"mxisd-{number}",
            port,
            {
                "matrix": {"domain": DOMAIN},
                "server": {"bind": [f"tcp:{port}:interface=127.0.0.1"], "publicUrl": self.url},
                "storage": self.shared.settings,
                "threepid": {"medium": {"email": email}},
                "invite": {"resolution": {"timer": 1, "period": "seconds"}, "delivery": {"concurrency": CONCURRENCY}},
                "dns": {"overwrite": {"homeserver": {"federation": [homeserver]}}},
                # Hundreds of invites by one sender are the story.
                "rateLimit": {"enabled": False},
                "sql": {
                    "enabled": True,
                    "connection": str(self.people),
                    "identity": {"query": "SELECT mxid AS uid FROM people WHERE ? = 'email' AND address = ?"},
                },
            },
        )
        self.addCleanup(process.stop)
        return process

    def run_sql(self, statement: str, *values: str) -> None:
        with sqlite3.connect(self.people, timeout=60) as connection:
            connection.execute(statement, values)
        connection.close()

    def test_every_invite_is_delivered_once(self) -> None:
        with ThreadPoolExecutor(4) as senders:
            sent = senders.map(self.invite, range(INVITES))
            for share, harm in ((0.1, self.kill), (0.2, self.stall), (0.5, self.restart_storage), (0.7, self.kill)):
                eventually(lambda share=share: len(self.homeserver.arrivals) >= share * INVITES)  # type: ignore[misc]
                harm()
            list(sent)
        eventually(self.shared.is_settled)
        outcomes = {token: self.shared.outcome(token) for token in self.rooms}
        self.assertEqual(len(outcomes), INVITES)
        found = faults(self.rooms, self.homeserver.arrivals, outcomes, self.interruptions, CONCURRENCY)
        self.assertEqual(found, [], f"MXISD_SEED={SEED} chose the processes")

    def invite(self, number: int) -> None:
        """Invite an address, as often as it takes; when that is acknowledged, its owner appears in the store."""
        room, address = f"!{number}:{DOMAIN}", f"person{number}@example.org"
        wanted = {"medium": "email", "address": address, "room_id": room, "sender": f"@alice:{DOMAIN}"}
        token = eventually(lambda: self.accepted(wanted))
        self.rooms[token] = room
        self.run_sql("INSERT INTO people VALUES (?, ?)", f"@person{number}:{DOMAIN}", address)

    def accepted(self, wanted: dict[str, str]) -> str | None:
        try:
            return str(MatrixClient(self.url, self.ca_file).post(f"{V1}/store-invite", wanted)["token"])
        except Refused as error:
            if error.status in (502, 503) and error.body["errcode"] == "M_UNKNOWN":
                return None
            raise
        except (urllib.error.URLError, OSError):
            return None

    def kill(self) -> None:
        process = self.chosen.choice([each for each in self.processes if each is not self.stalled])
        self.interruptions.append(Interruption(time.monotonic(), time.monotonic()))
        process.kill()
        process.start()

    stalled: Mxisd | None = None

    def stall(self) -> None:
        """Let a process stand still for longer than its claims last, and others go on meanwhile."""
        process = self.stalled = self.chosen.choice(self.processes)
        since, length = time.monotonic(), LEASE / 1000 + 5
        self.interruptions.append(Interruption(since, since + length + 1))
        process.process.pause()
        timer = Timer(length, process.process.resume)
        timer.start()
        self.addCleanup(timer.join)

    def restart_storage(self) -> None:
        self.shared.kill()
        time.sleep(1)
        self.shared.start()


class StorageAway(SynchronousTestCase):
    """One process, and a storage that is there or not."""

    def storage(self) -> SharedStorage:
        raise NotImplementedError

    def setUp(self) -> None:
        folder = TemporaryDirectory(prefix="mxisd-away-")
        self.addCleanup(folder.cleanup)
        self.shared = self.storage()
        self.addCleanup(self.shared.remove)
        self.shared.kill()
        port = free_port()
        self.client = MatrixClient(f"http://127.0.0.1:{port}")
        self.mxisd = Mxisd(
            Path(folder.name),
            port,
            {
                "matrix": {"domain": DOMAIN},
                "server": {"bind": [f"tcp:{port}:interface=127.0.0.1"], "publicUrl": self.client.url},
                "storage": self.shared.settings,
                "threepid": {"medium": {"email": {"connector": "log"}}},
            },
        )
        self.addCleanup(self.mxisd.stop)

    def assert_unavailable(self) -> None:
        began = time.monotonic()
        with self.assertRaises(Refused) as raised:
            self.client.get(f"{V1}/lookup", {"medium": "email", "address": "bob@example.org"})
        self.assertLess(time.monotonic() - began, 2)
        self.assertEqual((raised.exception.status, raised.exception.body["errcode"]), (503, "M_UNKNOWN"))
        self.assertGreater(int(raised.exception.headers["Retry-After"]), 0)

    def works(self) -> bool:
        try:
            key = self.client.get(f"{V1}/pubkey/ed25519:0")["public_key"]
            return len(key) == 43 and self.client.get(f"{V1}/lookup", {"medium": "email", "address": "b@c.org"}) == {}
        except Refused:
            return False

    def test_it_waits_at_the_start_and_goes_on_by_itself(self) -> None:
        self.assert_unavailable()
        with self.assertRaises(Refused) as raised:
            self.client.get(f"{V1}/pubkey/ed25519:0")
        self.assertEqual(raised.exception.status, 503)
        self.assertIn(f"waiting for {self.shared.name}", self.mxisd.log)
        self.shared.start()
        eventually(self.works)
        self.shared.kill()
        self.assert_unavailable()
        self.shared.start()
        eventually(self.works)

    def test_one_that_stands_still(self) -> None:
        self.shared.start()
        eventually(self.works)
        self.shared.stall()
        self.assert_unavailable()
        self.shared.go_on()
        eventually(self.works)
