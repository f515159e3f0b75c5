"""A real Postfix, which keeps what it gets."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import SkipTest

from tests.integration.process import Process, eventually, free_port, installed, listens
from tests.net.servers import Authority

MASTER_PROGRAM = "/usr/lib/postfix/sbin/master"

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
myhostname = localhost
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
default_transport = error:nothing is relayed here
alias_maps =
smtpd_tls_cert_file = {folder}/certificate.pem
smtpd_tls_key_file = {folder}/certificate.pem
smtpd_tls_security_level = may
smtpd_tls_received_header = yes
smtputf8_enable = yes
virtual_mailbox_domains = example.com
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{ bob@example.com=bob/ }}
virtual_uid_maps = static:{user.pw_uid}
virtual_gid_maps = static:{user.pw_gid}
smtpd_recipient_restrictions = check_recipient_access inline:{{ {{ later@example.com = 450 4.2.1 come back later }} }},
    reject_unauth_destination
"""

MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{tls_port} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
error unix - - n - - error
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """
    Listens on 127.0.0.1 at ``port``, offering STARTTLS, and at ``tls_port`` with TLS from the start.

    It knows ``bob@example.com``, asks to come back with mail to ``later@example.com``, and knows nobody else.
    """

    def __init__(self) -> None:
        postfix = installed("postfix")
        if os.geteuid() != 0:
            raise SkipTest("Postfix is started by root only")
        # Not under trial's own folder, which is for one user, and whose name is too long for sockets.
        self._folder = TemporaryDirectory(prefix="mxisd-tests-")
        folder = Path(self._folder.name)
        folder.chmod(0o755)
        self.authority = Authority(folder / "authority.pem")
        for name in ("etc", "queue", "data", "mail"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix")
        shutil.chown(folder / "mail", "nobody")
        self._mail = folder / "mail" / "bob" / "new"
        self._log = folder / "postfix.log"
        self.port, self.tls_port = free_port(), free_port()
        (folder / "certificate.pem").write_bytes(self.authority.pem("localhost"))
        _fill(folder / "etc" / "main.cf", MAIN, folder=folder, user=pwd.getpwnam("nobody"))
        _fill(folder / "etc" / "master.cf", MASTER, port=self.port, tls_port=self.tls_port)
        subprocess.run([postfix, "-c", folder / "etc", "check"], check=True, capture_output=True)
        # Not by "postfix start", which puts processes in between that signals do not pass.
        self._process = Process([MASTER_PROGRAM, "-c", folder / "etc", "-d"], folder / "start.log")
        self._process.wait_until(lambda: listens(self.port) and listens(self.tls_port))

    def messages(self, number: int) -> list[EmailMessage]:
        """So many messages to Bob, as soon as they have arrived; they are then forgotten."""
        eventually(lambda: len(list(self._mail.glob("*"))) >= number)
        files = list(self._mail.glob("*"))
        messages = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]
        for file in files:
            file.unlink()
        return [message for message in messages if isinstance(message, EmailMessage)]

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def stop(self) -> None:
        self._process.stop()
        self._folder.cleanup()


def _fill(path: Path, text: str, **values: object) -> None:
    path.write_text(text.strip().format(**values) + "\n")
