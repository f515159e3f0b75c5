"""What one client, or many, can do to the others: a real server, under load."""

from __future__ import annotations

import contextlib
import json
import re
import selectors
import signal
import socket
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

from tests.integration.matrix_client import V1
from tests.integration.mxisd import ENVIRONMENT
from tests.integration.names import TWISTD
from tests.integration.process import Process, eventually, installed
from tests.integration.test_mxisd_starts import FolderCase
from tests.servers.redis import RedisServer

GET = b"GET /_matrix/identity/api/v1/lookup?medium=email&address=a@example.com HTTP/1.1\r\nHost: x\r\n\r\n"
LOGIN = b"POST /_matrix/client/v3/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"


class Homeserver:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.go_on = Event()
        self.asked = 0
        homeserver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                homeserver.asked += 1
                homeserver.go_on.wait()
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                with contextlib.suppress(OSError):  # it was not waited for
                    self.wfile.write(b"{}")

            def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002  # as inherited

        class Server(ThreadingHTTPServer):
            request_queue_size = 200
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()


class FloodCase(FolderCase):
    def serve(
        self, *, workers: int = 0, limits: dict[str, Any] | None = None, files: int = 0, **sections: Any
    ) -> Process:
        """Start a server that trusts no proxy, with these limits; it may have so many files open, if that is not 0."""
        bind = [f"tcp:{self.port}:interface=127.0.0.1"]
        server = {"bind": bind, "publicUrl": self.client.url, "trustedProxies": [], "limits": limits or {}}
        storage: dict[str, Any] = {}
        if workers:
            installed("redis-server")
            redis = RedisServer()
            self.addCleanup(redis.remove)
            storage = {"storage": {"backend": "redis", "provider": {"redis": {"url": redis.url}}}}
        config = self.config_file(server=server, **storage, rateLimit={"enabled": False}, **sections)
        command: list[str | Path] = ["prlimit", f"--nofile={files}:{files}"] if files else []
        command += [TWISTD, "-n", "--pidfile=", "mxisd", "--workers", str(workers), "--config", config]
        log = self.folder / "mxisd.log"
        log.write_bytes(b"")
        process = Process(command, log, ENVIRONMENT)
        self.addCleanup(process.stop)
        process.wait_until(self.client.answers)
        eventually(lambda: len(re.findall(r"mxisd \S+ serves", process.log)) == max(workers, 1))
        return process

    def connect(self, sent: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port))
        self.addCleanup(connection.close)
        connection.sendall(sent)
        return connection

    def connect_often(self, times: int, sent: bytes = b"") -> list[socket.socket]:
        """The connections that were not closed at once."""
        connections = []
        for _ in range(times):
            with contextlib.suppress(ConnectionResetError):
                connections.append(self.connect(sent))
        return connections

    def received(self, connection: socket.socket) -> bytes:
        """All that comes until the other side closes."""
        try:
            return b"".join(iter(lambda: connection.recv(65536), b""))
        except ConnectionResetError:
            return b""

    def others_are_served(self) -> None:
        connection = self.connect(GET.replace(b"Host", b"Connection: close\r\nHost"))
        self.assertIn(b" 200 OK\r\n", self.received(connection))


def is_answered(connection: socket.socket) -> bool:
    """Whether it was closed, or an answer has come."""
    try:
        connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    return True


def memory(pid: int) -> int:
    """Resident, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) // 1024  # type: ignore[index]  # it is always there


class UnreadTests(FloodCase):
    def test_pipelines_whose_answers_nobody_reads(self) -> None:
        """They cost little memory, and leave others their turns."""
        process = self.serve()
        before = memory(process.pid)
        flood = GET * 1000
        sent = 0
        selector = selectors.DefaultSelector()
        for _ in range(50):
            connection = self.connect()
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_WRITE)
        # Until the server takes no more from anybody.
        while ready := selector.select(timeout=5):
            for key, _ in ready:
                try:
                    sent += key.fileobj.send(flood)  # type: ignore[union-attr]  # they are sockets
                except BlockingIOError:
                    continue
            if sent > 2**30:
                self.fail("it reads without an end")
        self.others_are_served()
        self.assertLess(memory(process.pid) - before, 100)


class SlowTests(FloodCase):
    def test_heads_that_come_a_byte_at_a_time(self) -> None:
        """They hold no connection for long, and others get theirs at once."""
        self.serve(limits={"connections": 50, "headTimeout": "3s"})
        slow = self.connect_often(200, b"G")
        self.others_are_served()
        for byte in GET[1:6]:
            for connection in slow:
                with contextlib.suppress(OSError):  # it was closed for another
                    connection.sendall(bytes([byte]))
            self.others_are_served()
            time.sleep(1)
        closed = [self.received(connection) for connection in slow]
        self.assertEqual({answer[:12] for answer in closed}, {b"", b"HTTP/1.1 408"})

    def test_connections_of_one_client(self) -> None:
        for workers in (0, 2):
            process = self.serve(workers=workers, limits={"connectionsPerClient": 20})
            connections = self.connect_often(100)
            most = 20 * max(workers, 1)
            eventually(lambda: len([each for each in connections if not is_answered(each)]) <= most)  # noqa: B023
            lines = re.findall(r"server\.limits\.connectionsPerClient \(20\) is reached", process.log)
            self.assertTrue(1 <= len(lines) <= max(workers, 1), process.log)
            for connection in connections:
                connection.close()
            eventually(self.is_served)
            process.stop()

    def test_bodies_that_come_a_byte_at_a_time(self) -> None:
        self.serve(limits={"connections": 50, "bodyTimeout": "3s"})
        head = b"POST /_matrix/identity/api/v1/store-invite HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"
        slow = self.connect_often(200, head)
        for _ in range(5):
            for connection in slow:
                with contextlib.suppress(OSError):  # it was closed for another
                    connection.sendall(b"x")
            self.others_are_served()
            time.sleep(1)
        closed = [self.received(connection) for connection in slow]
        self.assertEqual({answer[:12] for answer in closed}, {b"", b"HTTP/1.1 408"})

    def test_large_bodies(self) -> None:
        """What is kept of them has an end, and small ones go on being read."""
        process = self.serve(limits={"largeBodies": 20_000_000})
        before = memory(process.pid)
        head = b"POST /_matrix/identity/api/v1/bulk_lookup HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
        slow = self.connect_often(90, head)
        for connection in slow:
            with contextlib.suppress(OSError):  # it is refused
                connection.sendall(b"[" * 900_000)
        eventually(lambda: sum(map(is_answered, slow)) > 60)
        self.others_are_served()
        self.assertLess(memory(process.pid) - before, 100)
        self.assertEqual(len(re.findall(r"server\.limits\.largeBodies", process.log)), 1)

    def is_served(self) -> bool:
        return b" 200 OK\r\n" in self.received(self.connect(GET.replace(b"Host", b"Connection: close\r\nHost")))


class DescriptorsTests(FloodCase):
    def test_are_kept_back(self) -> None:
        """However many connect, what is asked is looked up and stored."""
        for workers in (0, 2):
            process = self.serve(workers=workers, files=300)
            self.assertIn("server.limits.connections: only 75 connections instead of 1000", process.log)
            held = self.connect_often(400)
            for number in range(10):
                self.others_are_served()
                body = json.dumps(
                    {"client_secret": "secret", "email": f"a{number}@example.com", "send_attempt": 1}
                ).encode()
                head = b"POST %b/validate/email/requestToken HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" % V1.encode()
                asked = self.connect(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
                self.assertIn(b'"sid"', self.received(asked))
            self.assertNotIn("EMFILE", process.log)
            self.assertNotIn("Too many open files", process.log)
            lines = re.findall(r"server\.limits\.connections \(75\) is reached", process.log)
            self.assertTrue(1 <= len(lines) <= max(workers, 1), process.log)
            for connection in held:
                connection.close()
            process.stop()


class RequestsTests(FloodCase):
    def test_at_a_time(self) -> None:
        """A homeserver that hangs holds so many up, and no more; all go on when it does."""
        homeserver = Homeserver()
        self.addCleanup(homeserver.stop)
        matrix = {"domain": "localhost", "homeserver": {"url": homeserver.url}}
        process = self.serve(limits={"requests": 20}, matrix=matrix)
        connections = [self.connect(LOGIN.replace(b"Host", b"Connection: close\r\nHost")) for _ in range(60)]
        eventually(lambda: homeserver.asked == 20)
        eventually(lambda: sum(map(is_answered, connections)) == 40)
        refused = [connection for connection in connections if is_answered(connection)]
        for connection in refused:
            self.assertIn(b" 503 ", self.received(connection))
        self.assertEqual(len(re.findall(r"server\.limits\.requests \(20\) is reached", process.log)), 1)
        homeserver.go_on.set()
        for connection in connections:
            if connection not in refused:
                self.assertIn(b" 200 OK\r\n", self.received(connection))
        self.others_are_served()


class StopTests(FloodCase):
    def test_requests_under_way(self) -> None:
        """They are answered before the server stops, and after ten seconds with 503."""
        for workers in (0, 2):
            for answers in (True, False):
                homeserver = Homeserver()
                self.addCleanup(homeserver.stop)
                matrix = {"domain": "localhost", "homeserver": {"url": homeserver.url}}
                process = self.serve(workers=workers, matrix=matrix)
                connections = [self.connect(LOGIN) for _ in range(60)]
                eventually(lambda homeserver=homeserver: homeserver.asked == 60)  # type: ignore[misc]
                process.signal(signal.SIGTERM)
                if answers:
                    eventually(lambda: not self.accepts())
                    homeserver.go_on.set()
                got = [self.received(connection).partition(b"\r\n")[0] for connection in connections]
                self.assertEqual(got, [b"HTTP/1.1 200 OK" if answers else b"HTTP/1.1 503 Service Unavailable"] * 60)
                process.stop()

    def accepts(self) -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0
