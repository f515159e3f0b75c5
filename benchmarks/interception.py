"""
What an intercepted invite costs: its latency through mxisd, less that of the homeserver's own answers.

The homeserver is a stub with a constant answer.  One client sends requests one after the other, in turn straight to
the stub and through mxisd.  An invite by user ID needs one answer of the stub, an invite of an address two, since the
homeserver is asked first whose it is.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

STUB, MXISD = 18096, 18097
ROUNDS, REQUESTS = 10, 200
AIM = 1.5

INVITE = "/_matrix/client/v3/rooms/!room:example.org/invite"
BY_USER_ID = {"user_id": "@bob:example.com"}
BY_ADDRESS = {"medium": "email", "address": "bob@example.com", "id_server": "id.example.org", "id_access_token": "t"}

CONFIGURATION = f"""
matrix: {{domain: example.org, homeserver: {{url: 'http://127.0.0.1:{STUB}'}}}}
server: {{bind: 'tcp:{MXISD}:interface=127.0.0.1'}}
threepid: {{medium: {{email: {{connector: none}}}}}}
memory: {{enabled: true, identities: [{{username: alice, password: x, roles: [staff]}}]}}
invite:
  policy:
    ifSender: {{hasRole: [staff]}}
    rules:
      - {{action: deny, address: ['*@rival.example']}}
      - {{action: deny, sender: ['@guest-*'], medium: [email]}}
"""

STUB_CODE = f"""
from twisted.internet import endpoints, reactor
from twisted.web.resource import Resource
from twisted.web.server import Site

class Constant(Resource):
    isLeaf = True
    def render(self, request):
        request.setHeader(b"Content-Type", b"application/json")
        return b'{{"user_id":"@alice:example.org"}}'

endpoints.serverFromString(reactor, "tcp:{STUB}:interface=127.0.0.1").listen(Site(Constant()))
reactor.run()
"""


def connect(port: int) -> socket.socket:
    end = time.monotonic() + 30
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection


def request(body: dict[str, str]) -> bytes:
    content = json.dumps(body).encode()
    head = f"POST {INVITE} HTTP/1.1\r\nHost: matrix.example.org\r\nAuthorization: Bearer token\r\n"
    return head.encode() + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(content) + content


def latencies(connection: socket.socket, message: bytes) -> list[float]:
    """In ms."""
    found = []
    for _ in range(REQUESTS):
        begin = time.perf_counter()
        connection.sendall(message)
        answer = connection.recv(65536)
        while not answer.endswith(b"}"):
            answer += connection.recv(65536)
        found.append((time.perf_counter() - begin) * 1000)
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(answer.decode())
    return found


def measure() -> None:
    stub, mxisd = connect(STUB), connect(MXISD)
    cases = [
        ("by user ID, straight to the stub", stub, request(BY_USER_ID), 0),
        ("by user ID, through mxisd", mxisd, request(BY_USER_ID), 1),
        ("by address, through mxisd", mxisd, request(BY_ADDRESS), 2),
    ]
    samples: dict[str, list[float]] = {name: [] for name, *_ in cases}
    for round_ in range(ROUNDS + 1):
        for name, connection, message, _ in cases:
            found = latencies(connection, message)
            samples[name] += found if round_ else []  # the first round warms up
    own = median(samples[cases[0][0]])
    print(f"{'invite':34} {'p50':>8} {'p99':>8} {'added at p50':>14}  aim")
    for name, _, _, answers in cases:
        added = f"{median(samples[name]) - answers * own:11.2f} ms  ≤ {AIM} ms" if answers else ""
        print(f"{name:34} {median(samples[name]):5.2f} ms {quantiles(samples[name], n=100)[-1]:5.2f} ms {added}")


def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "mxisd.yaml"
        configuration.write_text(CONFIGURATION)
        twistd = [sys.executable, "-m", "twisted", "mxisd", "--config", str(configuration)]
        commands = [[sys.executable, "-c", STUB_CODE], twistd]
        with (Path(folder) / "log").open("wb") as log:
            processes = [subprocess.Popen(command, stdout=log, stderr=log) for command in commands]
            try:
                measure()
            finally:
                for process in processes:
                    process.terminate()
                    process.wait()


if __name__ == "__main__":
    run()
