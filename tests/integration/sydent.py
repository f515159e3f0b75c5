"""A real Sydent, from a virtual environment of its own."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from pathlib import Path

from tests.integration.mailbox import Mailbox
from tests.integration.matrix_client import V1, MatrixClient
from tests.integration.process import ROOT, Process

PYTHON = ROOT / ".cache" / "sydent-venv" / "bin" / "python"


class Sydent:
    """
    Listens on 127.0.0.1 at ``port``, and sends its mails to ``mailbox``.

    It believes homeservers on this machine, whatever their certificates.  ``options`` are more of its options, by
    section.
    """

    def __init__(
        self, folder: Path, port: int, mailbox: Mailbox, options: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        folder.mkdir()
        self.url = f"http://127.0.0.1:{port}"
        self._mailbox = mailbox
        self._client = MatrixClient(self.url)
        template = folder / "mail"
        template.write_text("From: %(from)s\nTo: %(to)s\nSubject: Token\n\n%(token)s\n")
        invite = folder / "invite"
        invite.write_text("From: %(from)s\nTo: %(to)s\nSubject: Invite\n\n%(token)s %(ephemeral_private_key)s\n")
        config = configparser.ConfigParser()
        config.read_dict(
            {
                "general": {
                    "server.name": "sydent.test",
                    "pidfile.path": str(folder / "sydent.pid"),
                    "ip.whitelist": "127.0.0.1",
                },
                "db": {"db.file": str(folder / "sydent.db")},
                "http": {
                    "clientapi.http.bind_address": "127.0.0.1",
                    "clientapi.http.port": str(port),
                    "federation.verifycerts": "False",
                },
                "email": {
                    "email.from": "sydent@sydent.test",
                    "email.template": str(template),
                    "email.invite_template": str(invite),
                    "email.smtphost": "127.0.0.1",
                    "email.smtpport": str(mailbox.port),
                },
            }
        )
        config.read_dict(options or {})
        self.config = folder / "sydent.conf"
        with self.config.open("w") as file:
            config.write(file)
        environment = {"SYDENT_CONF": str(self.config)}
        self.process = Process([PYTHON, "-m", "sydent.sydent"], folder / "sydent.log", environment)
        self.process.wait_until(self._client.answers)

    def bind(self, address: str, user_id: str) -> None:
        """Have it know whose an email address is, as its users do."""
        asked = {"email": address, "client_secret": "secret", "send_attempt": 1}
        sid = self._client.post(f"{V1}/validate/email/requestToken", asked)["sid"]
        proof = {"sid": sid, "client_secret": "secret"}
        token = self._mailbox.next_to(address).get_content().strip()
        self._client.post(f"{V1}/validate/email/submitToken", {**proof, "token": token})
        self._client.post(f"{V1}/3pid/bind", {**proof, "mxid": user_id})

    @property
    def requests(self) -> list[str]:
        """What an mxisd has asked it: lines of its log."""
        return [line for line in self.process.log.splitlines() if line.endswith('"mxisd"')]

    def stop(self) -> None:
        self.process.stop()
