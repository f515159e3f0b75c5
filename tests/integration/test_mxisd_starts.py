"""``twistd mxisd``: how it starts, what it keeps, and how it ends."""

from __future__ import annotations

import http.client
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.matrix_client import V1, V2, MatrixClient
from tests.integration.mxisd import ENVIRONMENT, Mxisd, write_config
from tests.integration.names import TWISTD
from tests.integration.process import ROOT, Process, eventually, free_port, installed

THREEPID = {"medium": "email", "address": "bob@example.org"}
UNIT = ROOT / "conf" / "mxisd.service"


class FolderCase(SynchronousTestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory(prefix="mxisd-")  # unix sockets want short names
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.port = free_port()
        self.client = MatrixClient(f"http://127.0.0.1:{self.port}")

    def config(self, **sections: Any) -> dict[str, Any]:
        """That of a development server, with some sections changed."""
        server = {"bind": [f"tcp:{self.port}:interface=127.0.0.1"], "publicUrl": self.client.url}
        return {
            "matrix": {"domain": "localhost"},
            "server": server,
            "threepid": {"medium": {"email": {"connector": "log"}}},
            **sections,
        }

    def config_file(self, **sections: Any) -> Path:
        return write_config(self.folder, self.config(**sections))

    def start(self, *command: str | Path, **env: str) -> Process:
        process = Process(command, self.folder / "mxisd.log", {**ENVIRONMENT, **env})
        self.addCleanup(process.stop)
        return process

    def run_twistd(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run([TWISTD, *arguments], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)


class CheckTests(FolderCase):
    def test_good_configuration(self) -> None:
        done = self.run_twistd("mxisd", "--config", self.config_file(), "--check")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("is good", done.stdout)

    def test_by_twist(self) -> None:
        command = [sys.executable, "-m", "twisted", "mxisd", "--config", str(self.config_file()), "--check"]
        done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_nothing_is_made(self) -> None:
        self.run_twistd("mxisd", "--config", self.config_file(), "--check")
        self.assertEqual([path.name for path in self.folder.iterdir()], ["mxisd.yaml"])

    def test_mistake(self) -> None:
        done = self.run_twistd("mxisd", "--config", self.config_file(invite={"expiration": {"aftre": 5}}), "--check")
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertIn("invite.expiration.aftre", done.stdout)
        self.assertIn("invite.expiration.after", done.stdout.replace("aftre", ""))

    def test_keys_that_cannot_be_made(self) -> None:
        done = self.run_twistd("mxisd", "--config", self.config_file(key={"path": "mxisd.yaml/keys"}), "--check")
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertIn("mxisd.yaml/keys", done.stdout)

    def test_no_such_file(self) -> None:
        done = self.run_twistd("mxisd", "--config", self.folder / "absent.yaml", "--check")
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertIn("absent.yaml", done.stdout)

    def test_mistake_stops_the_start(self) -> None:
        config = self.config_file(matrix={"domain": "not a name"})
        done = self.run_twistd("-n", "--pidfile=", "mxisd", "--config", config)
        self.assertEqual(done.returncode, 1)
        self.assertIn("matrix.domain", done.stderr)
        self.assertNotIn("Traceback", done.stderr + done.stdout)


class StartTests(FolderCase):
    def test_tac(self) -> None:
        config = self.config_file()
        process = self.start(TWISTD, "-ny", ROOT / "mxisd.tac", "--pidfile=", MXISD_CONFIG=str(config))
        process.wait_until(self.client.answers)

    def test_unix_socket(self) -> None:
        path = self.folder / "mxisd.sock"
        config = self.config_file(server={"bind": [f"unix:{path}:mode=660"]})
        process = self.start(TWISTD, "-n", "--pidfile=", "mxisd", "--config", config)
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        self.addCleanup(connection.close)
        process.wait_until(lambda: connection.sock.connect_ex(str(path)) == 0)
        self.assertEqual(path.stat().st_mode & 0o777, 0o660)
        connection.request("GET", "/_matrix/identity/versions")
        self.assertEqual(connection.getresponse().status, 200)

    def test_unit(self) -> None:
        command = re.search(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
        assert command is not None
        words = [self.as_installed(word) for word in shlex.split(command[1])]
        self.start(*words).wait_until(self.client.answers)

    def test_unit_is_sound(self) -> None:
        analyze = installed("systemd-analyze")
        unit = self.folder / UNIT.name
        unit.write_text(self.as_installed(UNIT.read_text()))
        for command in (["verify"], ["security", "--offline=true", "--threshold=20"]):
            done = subprocess.run([analyze, *command, unit], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def as_installed(self, text: str) -> str:
        """With what is installed here instead of what the unit has."""
        return text.replace("/opt/mxisd/bin/twistd", str(TWISTD)).replace(
            "/etc/mxisd/mxisd.yaml", str(self.config_file())
        )


class RestartTests(FolderCase):
    def setUp(self) -> None:
        super().setUp()
        self.mxisd = Mxisd(self.folder, self.port, self.config())
        self.addCleanup(self.mxisd.stop)

    def bind(self) -> Any:
        """Bind the address, by the link that is in the log for want of a mail server; return the association."""
        asked = {"client_secret": "secret", "email": THREEPID["address"], "send_attempt": 1}
        sid = self.client.post(f"{V1}/validate/email/requestToken", asked)["sid"]
        link = eventually(lambda: re.search(r"http://\S+/confirm/\S+", self.mxisd.log))
        self.client.follow(link[0])
        proof = {"sid": sid, "client_secret": "secret", "mxid": "@bob:localhost"}
        return self.client.post(f"{V1}/3pid/bind", proof)

    def test_nothing_is_lost(self) -> None:
        bound = self.bind()
        for end in (self.mxisd.stop, self.mxisd.kill):
            end()
            self.mxisd.start()
            self.assertEqual(self.client.get(f"{V1}/lookup", THREEPID), bound)

    def test_it_signs_with_the_same_key(self) -> None:
        (key_id,) = self.bind()["signatures"]["localhost"]
        key = self.client.get(f"{V2}/pubkey/{key_id}")
        self.mxisd.kill()
        self.mxisd.start()
        self.assertEqual(self.client.get(f"{V2}/pubkey/{key_id}"), key)
        self.assertEqual((self.folder / "mxisd.signing.key").stat().st_mode & 0o777, 0o600)

    def test_it_ends_in_order(self) -> None:
        self.bind()
        self.mxisd.stop()
        self.assertIn("stopping", self.mxisd.log)
        self.assertNotIn("Traceback", self.mxisd.log)
        self.assertNotIn("Unhandled", self.mxisd.log)

    def test_whoever_asks_twice_to_stop_gets_no_traceback(self) -> None:
        self.mxisd.process.signal(signal.SIGTERM)
        self.mxisd.stop()
        self.assertNotIn("Traceback", self.mxisd.log)

    def test_users_and_log_levels_change_on_sighup(self) -> None:
        anna = {"medium": "email", "address": "anna@example.org"}
        self.assertEqual(self.client.get(f"{V1}/lookup", anna), {})
        users = [{"username": "anna", "threepids": [anna]}]
        write_config(self.folder, self.config(memory={"enabled": True, "identities": users}))
        self.mxisd.process.signal(signal.SIGHUP)
        eventually(lambda: "a restart: memory.enabled, memory.identities" in self.mxisd.log)
        self.mxisd.stop()
        self.mxisd.start()
        eventually(lambda: self.client.get(f"{V1}/lookup", anna).get("mxid") == "@anna:localhost")
        users[0]["username"] = "anne"
        logging = {"app": "debug", "format": "text"}
        write_config(self.folder, self.config(memory={"enabled": True, "identities": users}, logging=logging))
        self.mxisd.process.signal(signal.SIGHUP)
        eventually(lambda: self.client.get(f"{V1}/lookup", anna).get("mxid") == "@anne:localhost")

    def test_a_mistake_in_the_file_does_not_end_it(self) -> None:
        write_config(self.folder, self.config(sesion={}))
        self.mxisd.process.signal(signal.SIGHUP)
        eventually(lambda: "sesion: unknown key" in self.mxisd.log)
        self.assertTrue(self.client.answers())
