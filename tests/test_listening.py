"""Listening on all addresses, on machines with IPv6 and without."""

from __future__ import annotations

import socket
from resource import RLIM_INFINITY
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase, TestCase

from mxisd import listening
from mxisd.listening import KEPT_BACK, check_free, connections_at_most, on_this_machine, open_port
from mxisd.reactor import installed_reactor

REACTOR: Any = reactor
EVERYWHERE = r"tcp:0:interface=\:\:"


class DescriptorsTests(SynchronousTestCase):
    def allowed(self, soft: int, hard: int, wanted: int = 1000) -> int:
        """How many connections there may be where the process may have so many files, and ask for so many."""
        self.set: list[tuple[int, int]] = []
        self.warnings: list[str] = []
        self.patch(listening, "getrlimit", lambda _: (soft, hard))
        self.patch(listening, "setrlimit", lambda _, limits: self.set.append(limits))
        return connections_at_most(wanted, "server.limits.connections", self.warnings.append)

    def test_where_there_are_enough(self) -> None:
        for soft, hard in ((4096, 4096), (1000 + KEPT_BACK, 1000 + KEPT_BACK), (RLIM_INFINITY, RLIM_INFINITY)):
            self.assertEqual((self.allowed(soft, hard), self.set, self.warnings), (1000, [], []))

    def test_more_are_asked_for(self) -> None:
        for hard in (524_288, 1000 + KEPT_BACK, RLIM_INFINITY):
            self.assertEqual((self.allowed(1024, hard), self.warnings), (1000, []))
            self.assertEqual(self.set, [(1000 + KEPT_BACK, hard)])

    def test_where_there_are_not(self) -> None:
        self.assertEqual((self.allowed(512, 1024), self.set), (1024 - KEPT_BACK, [(1024, 1024)]))
        self.assertIn("server.limits.connections: only 768 connections instead of 1000", self.warnings[0])
        self.assertEqual(self.allowed(256, 256), 64)


class EverywhereTests(TestCase):
    async def test_both_families_are_served(self) -> None:
        listening: Any = open_port("server.bind", EVERYWHERE, Factory.forProtocol(Greeter), REACTOR)
        self.addCleanup(listening.stopListening)
        for host in ("127.0.0.1", r"\:\:1"):
            self.assertEqual(await greeting(f"tcp:{host}:{listening.getHost().port}"), b"hello")

    def test_only_ipv4_where_there_is_nothing_else(self) -> None:
        def without_ipv6(family: int, kind: int) -> socket.socket:
            raise OSError(97, "Address family not supported by protocol")

        self.patch(socket, "socket", without_ipv6)
        self.assertEqual(on_this_machine(EVERYWHERE), "tcp:0")
        for other in ("tcp:80", r"tcp:80:interface=\:\:1", "unix:/run/mxisd.sock"):
            self.assertEqual(on_this_machine(other), other)

    def test_is_free(self) -> None:
        check_free("server.bind", [EVERYWHERE], installed_reactor())


class Greeter(Protocol):
    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(b"hello")
        self.transport.loseConnection()


class Listener(Protocol):
    def __init__(self, heard: Deferred[bytes]) -> None:
        self.heard = heard
        self.text = b""

    def dataReceived(self, data: bytes) -> None:
        self.text += data

    def connectionLost(self, reason: object = None) -> None:
        self.heard.callback(self.text)


async def greeting(description: str) -> bytes:
    """What somebody says who connects."""
    heard: Deferred[bytes] = Deferred()
    await clientFromString(REACTOR, description).connect(Factory.forProtocol(lambda: Listener(heard)))
    return await heard
