"""
Goes through docs/getting-started.md, line by line, on a machine of its own: then through what it promises.

Run by ``test_getting_started``, as root and apart from this machine.  What the page takes to be there is made before:
Synapse with its database, certificates, names, and a mail server.  In place of systemd, units are read by a script.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from tests.integration.deployment import server_context
from tests.integration.mailbox import Mailbox, text_of
from tests.integration.matrix_client import CLIENT, User
from tests.integration.names import TWISTD
from tests.integration.process import Process, eventually, listens
from tests.integration.synapse import PYTHON, UNLIMITED
from tests.net.servers import Authority

# An address of the whole internet, on a machine without any: nobody takes it for a private one.
ADDRESS = "9.9.9.9"
HOSTS = ("example.org", "matrix.example.org", "smtp.example.org")
URL = "https://matrix.example.org"
CA_FILE = Path("/usr/local/share/ca-certificates/test.crt")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
LOGIN = ("matrix@example.org", "the-password-of-the-mailbox")

SYSTEMCTL = """#!/bin/bash
set -euo pipefail
name=${@: -1}
unit=/lib/systemd/system/$name.service
get() { sed -n "s/^$1=//p" "$unit"; }
case $name in
    nginx) if [ -s /run/nginx.pid ]; then exec nginx -s reload; else exec nginx; fi ;;
    mxisd) port=8090 ;;
    matrix-synapse) port=8008 ;;
esac
if [ -e "/run/$name.pid" ]; then
    kill "$(cat "/run/$name.pid")"
    while curl -so /dev/null 127.0.0.1:$port; do sleep 0.2; done
fi
cd "$(get WorkingDirectory)"
setsid setpriv --reuid "$(get User)" --regid "$(get User)" --clear-groups \\
    env $(get Environment) $(get ExecStart) >> "/var/log/$name.log" 2>&1 < /dev/null &
echo $! > "/run/$name.pid"
until curl -so /dev/null 127.0.0.1:$port; do kill -0 $!; sleep 0.2; done
"""

SYNAPSE_UNIT = f"""[Service]
Environment=SSL_CERT_FILE={CERTIFICATES}
ExecStart={PYTHON} -m synapse.app.homeserver -c /etc/matrix-synapse/homeserver.yaml -c /etc/matrix-synapse/conf.d/
User=root
WorkingDirectory=/var/lib/matrix-synapse
"""


def sh(command: str, cwd: Path | None = None) -> None:
    """Run a command line as root.  Raises ``AssertionError`` with what it printed."""
    done = subprocess.run(["bash", "-c", command], cwd=cwd, capture_output=True, text=True)
    sys.stderr.write(f"# {command}\n{done.stdout}{done.stderr}")
    assert done.returncode == 0, f"{command}: {done.returncode}"


def machine() -> Mailbox:
    """Make what the page takes to be there; what is sent arrives in the mailbox."""
    sh(f"ip address add {ADDRESS}/32 dev lo")
    zone = Path("/root/zone.py")
    records = [f'A("{host}", "{ADDRESS}")' for host in HOSTS]
    soa = 'SOA("example.org", "ns.example.org", "root.example.org", 1, 60, 60, 60, 60)'
    zone.write_text(f"zone = [{', '.join([soa, *records])}]\n")
    Process([TWISTD, "-n", "--pidfile=", "dns", "--pyzone", zone, "-i", "127.0.0.1", "-p", "53"], Path("/var/log/dns"))
    resolv, hosts = Path("/etc/resolv.conf"), Path("/etc/hosts")
    resolv.unlink(missing_ok=True)
    resolv.write_text("nameserver 127.0.0.1\n")
    hosts.write_text(f"127.0.0.1 localhost\n{ADDRESS} {' '.join(HOSTS)}\n")
    authority = Authority(CA_FILE)
    sh("update-ca-certificates")
    for host in HOSTS[:2]:
        folder = Path("/etc/letsencrypt/live") / host
        folder.mkdir(parents=True)
        pem = authority.pem(host)
        for name in ("fullchain.pem", "privkey.pem"):
            (folder / name).write_bytes(pem)
    stub = Path("/usr/local/bin/systemctl")
    stub.write_text(SYSTEMCTL)
    stub.chmod(0o755)
    # The package is made before, outside, where libraries can be had.
    made = Path("/usr/local/bin/make")
    made.write_text("#!/bin/sh\ntest -e dist/mxisd_*.deb\n")
    made.chmod(0o755)
    synapse()
    eventually(lambda: listens(53))
    context = server_context(authority, Path("/root/mail.pem"), "smtp.example.org")
    return Mailbox("starttls", context, LOGIN, ADDRESS, 587)


def synapse() -> None:
    """Synapse with its database, as its package sets it up."""
    (cluster,) = Path("/etc/postgresql").glob("*/main")
    sh(f"pg_ctlcluster {cluster.parent.name} main start")
    sh("runuser -u postgres -- psql -c \"CREATE USER synapse PASSWORD 'synapse'\"")
    sh("runuser -u postgres -- createdb --owner=synapse --encoding=UTF8 --locale=C --template=template0 synapse")
    for folder in ("/etc/matrix-synapse/conf.d", "/var/lib/matrix-synapse"):
        Path(folder).mkdir(parents=True)
    connection = {"host": "127.0.0.1", "dbname": "synapse", "user": "synapse", "password": "synapse"}
    settings: dict[str, Any] = {
        "server_name": "example.org",
        "database": {"name": "psycopg2", "args": connection},
        "listeners": [
            {
                "type": "http",
                "port": 8008,
                "bind_addresses": ["127.0.0.1"],
                "x_forwarded": True,
                "resources": [{"names": ["client", "federation"]}],
            }
        ],
        "media_store_path": "/var/lib/matrix-synapse/media",
        "signing_key_path": "/etc/matrix-synapse/signing.key",
        "macaroon_secret_key": "macaroon",
        "form_secret": "form",
        "report_stats": False,
        "trusted_key_servers": [],
        # Each look at the rooms is a new one.
        "caches": {"sync_response_cache_duration": "0s"},
        "enable_registration": True,
        "enable_registration_without_verification": True,
        **UNLIMITED,
    }
    Path("/etc/matrix-synapse/homeserver.yaml").write_text(yaml.safe_dump(settings))
    Path("/lib/systemd/system/matrix-synapse.service").write_text(SYNAPSE_UNIT)
    sh(f"cd /etc/matrix-synapse && {PYTHON} -m synapse.app.homeserver -c homeserver.yaml --generate-keys")
    sh("systemctl restart matrix-synapse")


def follow(page: str, checkout: Path) -> None:
    """Write the files and run the commands of a page, in its order."""
    block = re.compile(r"(?:^`(?P<file>/[^`]*)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
    for found in block.finditer(page):
        if found["file"]:
            Path(found["file"]).write_text(found["text"])
        elif found["kind"] == "console":
            for line in found["text"].splitlines():
                assert line.startswith("# "), f"not a command for root: {line}"
                sh(line.removeprefix("# "), checkout)
        else:
            raise AssertionError(f"nobody says what this is for:\n{found[0]}")


def promised(mailbox: Mailbox) -> None:
    """The last step of the page."""
    text = text_of(mailbox.next_to("you@example.org"))
    assert text, "the mail of mxisd notify test is empty"
    alice = User(URL, str(CA_FILE), "alice")
    room = alice.create_room()
    threepid = {"medium": "email", "address": "bob@example.com"}
    server = {"id_server": "matrix.example.org", "id_access_token": alice.identity_token}
    alice.homeserver.post(f"{CLIENT}/rooms/{quote(room)}/invite", {**threepid, **server})
    assert "alice" in text_of(mailbox.next_to("bob@example.com"))
    bob = User(URL, str(CA_FILE), "bob")
    asked = {"client_secret": "secret", "email": "bob@example.com", "send_attempt": 1}
    sid = bob.homeserver.post(f"{CLIENT}/account/3pid/email/requestToken", asked)["sid"]
    bob.homeserver.open(mailbox.next_link_to("bob@example.com"))
    auth = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "bob"}, "password": "a pass phrase"}
    bob.homeserver.post(f"{CLIENT}/account/3pid/add", {"sid": sid, "client_secret": "secret", "auth": auth})
    eventually(lambda: room in bob.rooms("invite"))
    bob.homeserver.post(f"{CLIENT}/join/{quote(room)}")


if __name__ == "__main__":
    arrived = machine()
    try:
        checkout = Path(sys.argv[1])
        follow((checkout / "docs" / "getting-started.md").read_text(), checkout)
        promised(arrived)
    finally:
        for log in ("mxisd", "matrix-synapse"):
            path = Path(f"/var/log/{log}.log")
            sys.stderr.write(f"== {log}\n{path.read_text()[-4000:] if path.exists() else ''}\n")
    sys.stdout.write("all is well\n")
    sys.stdout.flush()
    arrived.stop()
