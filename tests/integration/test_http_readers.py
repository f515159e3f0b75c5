"""The same bytes, read by our HTTP server, twisted.web and nginx: what two of them read differently is refused."""

from __future__ import annotations

import atexit
import re
import socket
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.integration.nginx import BEGINNING
from tests.integration.process import Process, free_port, installed, listens
from tests.net.http_server.memory import Server, Transport
from tests.net.http_server.test_parser import CHUNKED, GET, POST, READ, REFUSED, Witness
from tests.servers.folder import folder

# What comes behind: who takes it for a part of something else does not read it.
LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

Seen = tuple[bytes, bytes, bytes]
"""Method, target and body of a request."""


class Reading:
    """What somebody read in some bytes: requests, and then ``refused`` to read on, or waits for more."""

    def __init__(self, requests: list[Seen], *, refused: bool) -> None:
        self.requests = requests
        self.refused = refused

    def contradicts(self, other: Reading) -> bool:
        """Whether the two go on after reading different things."""
        common = min(len(self.requests), len(other.requests))
        if self.requests[:common] != other.requests[:common]:
            return True
        shorter, longer = sorted((self, other), key=lambda reading: len(reading.requests))
        return len(shorter.requests) < len(longer.requests) and not shorter.refused

    def __repr__(self) -> str:
        return f"{self.requests}{', and refused' if self.refused else ''}"


def ours(sent: bytes) -> Reading:
    witness = Witness()
    server = Server(witness)
    protocol, transport = server.connect()
    protocol.dataReceived(sent)
    server.turn()
    return Reading(witness.seen, refused=transport.disconnecting or transport.half_closed)


class TwistedWitness(Resource):
    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Seen] = []

    def render(self, request: Any) -> bytes:
        self.seen.append((request.method, request.uri, request.content.read()))
        return b""


def twisted(sent: bytes) -> Reading:
    witness, transport = TwistedWitness(), Transport()
    channel: Any = Site(witness, reactor=Clock()).buildProtocol(IPv4Address("TCP", "127.0.0.1", 4711))
    channel.makeConnection(transport)
    channel.dataReceived(sent)
    return Reading(witness.seen, refused=transport.disconnecting)


class Behind:
    """The server behind nginx, which is told by that what it has read."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            with connection:
                data = b""
                while b"\r\n\r\n" not in data and (more := connection.recv(65536)):
                    data += more
                head, _, body = data.partition(b"\r\n\r\n")
                length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
                while length and len(body) < int(length[1]) and (more := connection.recv(65536)):
                    body += more
                method, target, _ = head.partition(b"\r\n")[0].split(b" ")
                self.seen.append((method, target, body))
                connection.sendall(b"HTTP/1.0 200 OK\r\nX-Read: yes\r\nContent-Length: 0\r\n\r\n")


class Nginx:
    def __init__(self, directory: Path) -> None:
        self._behind = Behind()
        self._port = free_port()
        configuration = directory / "nginx.conf"
        configuration.write_text(_NGINX.format(folder=directory, port=self._port, behind=self._behind.port))
        command: list[str | Path] = [
            installed("nginx"),
            "-p",
            directory,
            "-e",
            directory / "error.log",
            "-c",
            configuration,
        ]
        self._process = Process(command, directory / "output.log")
        self._process.wait_until(lambda: listens(self._port))
        self.stop = self._process.stop

    def read(self, sent: bytes) -> Reading:
        self._behind.seen = []
        with socket.create_connection(("127.0.0.1", self._port)) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            try:
                got = b"".join(iter(lambda: connection.recv(65536), b""))
            except ConnectionResetError:
                got = b""
        answers = [answer for answer in got.split(b"HTTP/1.1 ")[1:] if not answer.startswith(b"100 ")]
        read = [b"X-Read: yes" in answer for answer in answers]
        before = read.index(False) if False in read else len(read)
        closes = bool(answers) and b"Connection: close\r\n" in answers[-1]
        return Reading(self._behind.seen[:before], refused=before < len(read) or closes)


@cache
def nginx() -> Nginx:
    """One for all tests."""
    running = Nginx(folder("readers"))
    atexit.register(running.stop)
    return running


_NGINX = (
    BEGINNING
    + """\
    access_log off;
    merge_slashes off;
    keepalive_requests 1000;
    lingering_close off;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{behind};
            proxy_ignore_client_abort on;
        }}
    }}
}}
"""
)

SPECIAL = [b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b";", b",", b"0", b"1", b"a", b"\xff", b"\x0b", b"\r\n "]
FIELDS = [
    b"Content-Length: 1",
    b"Content-Length: 0",
    b"content-length:2",
    b"Content-Length : 1",
    b"Content-Length: 1,1",
    b"Transfer-Encoding: chunked",
    b"transfer-encoding:chunked",
    b"Transfer-Encoding: x, chunked",
    b"Transfer-Encoding : chunked",
    b"X: y\r\n Transfer-Encoding: chunked",
    b"X: y\nContent-Length: 1",
    b"Connection: close",
    b"Connection: content-length",
    b"Host: y",
    b"Expect: 100-continue",
    b"Upgrade: h2c",
]
BODIES = [b"", b"x", b"xy", b"0\r\n\r\n", b"1\r\nx\r\n0\r\n\r\n", b"1;a\r\nx\r\n0\r\nA: b\r\n\r\n", b"1\nx\n0\n\n"]

known = st.sampled_from([*REFUSED, *READ])
made = st.builds(
    lambda line, fields, body: line + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body,
    st.sampled_from([GET, POST, GET.replace(b"1.1", b"1.0"), POST.replace(b"Host: x\r\n", b"")]),
    st.lists(st.sampled_from(FIELDS), max_size=3),
    st.sampled_from(BODIES),
)


@st.composite
def bent(draw: st.DrawFn) -> bytes:
    """A request in which a few bytes were changed."""
    data = draw(known | made)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.sampled_from([b"", *SPECIAL])) + data[at + draw(st.integers(0, 2)) :]
    return data


class ReadersTests(SynchronousTestCase):
    def setUp(self) -> None:
        installed("nginx")
        self.nginx = nginx()

    def compare(self, sent: bytes) -> None:
        sent += LAST
        mine = ours(sent)
        for name, theirs in (("twisted.web", twisted(sent)), ("nginx", self.nginx.read(sent))):
            self.assertFalse(mine.contradicts(theirs), f"{sent!r}\nours: {mine}\n{name}: {theirs}")

    def test_they_are_asked(self) -> None:
        """All three read what is plain, and what comes behind."""
        plain: list[Seen] = [(b"POST", b"/a", b"x"), (b"GET", b"/last", b"")]
        for sent in (POST + b"Content-Length: 1\r\n\r\nx", CHUNKED + b"1\r\nx\r\n0\r\n\r\n"):
            for reading in (ours(sent + LAST), twisted(sent + LAST), self.nginx.read(sent + LAST)):
                self.assertEqual((reading.requests, reading.refused), (plain, True))

    def test_what_is_known_to_be_read_differently(self) -> None:
        for sent in [*REFUSED, *READ]:
            self.compare(sent)

    @settings(max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(known | made | bent())
    @example(POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    def test_what_nobody_has_thought_of(self, sent: bytes) -> None:
        self.compare(sent)
