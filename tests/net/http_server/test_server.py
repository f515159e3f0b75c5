"""How much all clients may take together, and how a server stops."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from mxisd.net.http_server import Limits
from mxisd.net.http_server.server import LINGER, PATIENCE
from tests.net.http_server.memory import Server, Transport
from tests.net.http_server.test_connection import Slow
from tests.net.http_server.test_parser import GET, POST, Witness, answers


class ConnectionsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.start()

    def start(self, **limits: Any) -> None:
        self.resource = Slow()
        self.server = Server(self.resource, Limits(**limits), proxies=(ip_network("192.0.2.0/24"),))

    def is_taken(self, peer: str) -> bool:
        return not self.server.connect(peer)[1].aborted

    def test_of_one_client(self) -> None:
        self.start(connections_per_client=2)
        for first, second, other in [
            ("198.51.100.1", "198.51.100.1", "198.51.100.2"),
            ("198.51.100.3", "::ffff:198.51.100.3", "::ffff:198.51.100.4"),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"),
        ]:
            self.assertTrue(self.is_taken(first))
            self.assertTrue(self.is_taken(second))
            self.assertFalse(self.is_taken(second))
            self.assertFalse(self.is_taken(first))
            self.assertTrue(self.is_taken(other))

    def test_one_that_ends_makes_room_for_another(self) -> None:
        self.start(connections_per_client=1)
        for _ in range(3):
            protocol, transport = self.server.connect("198.51.100.1")
            self.assertFalse(transport.aborted)
            self.assertFalse(self.is_taken("198.51.100.1"))
            protocol.connectionLost()

    def test_proxies_have_many_clients(self) -> None:
        self.start(connections_per_client=1)
        for _ in range(5):
            self.assertTrue(self.is_taken("192.0.2.1"))

    def test_in_all(self) -> None:
        self.start(connections=3)
        made = [self.server.connect(f"198.51.100.{number}") for number in range(3)]
        made[0][0].dataReceived(GET + b"\r\n")
        self.assertTrue(self.is_taken("198.51.100.4"))
        # The one that has been without a request for the longest time.
        self.assertEqual([transport.aborted for _, transport in made], [False, True, False])

    def test_those_that_are_closed_for_others_do_not_count(self) -> None:
        """The system takes its time to close them, and a burst of others may come meanwhile."""
        self.start(connections=2, connections_per_client=3)
        made = [self.server.connect("198.51.100.1") for _ in range(10)]
        self.assertEqual([transport.aborted for _, transport in made], [True] * 8 + [False] * 2)
        for protocol, _ in made:
            protocol.connectionLost()
        self.assertTrue(self.is_taken("198.51.100.1"))

    def test_those_that_are_answered_are_not_closed_for_others(self) -> None:
        self.start(connections=2)
        for number in range(2):
            self.server.connect(f"198.51.100.{number}")[0].dataReceived(GET + b"\r\n")
        self.assertFalse(self.is_taken("198.51.100.4"))
        self.resource.requests[1].answer(200, {}, b"")
        self.assertTrue(self.is_taken("198.51.100.4"))

    def test_those_that_only_begin_requests_are(self) -> None:
        self.start(connections=2)
        for sent in (GET, POST + b"Content-Length: 5\r\n\r\nx"):
            self.server.connect("198.51.100.1")[0].dataReceived(sent)
        self.assertTrue(self.is_taken("198.51.100.4"))

    def test_what_an_administrator_sees(self) -> None:
        self.start(connections_per_client=1)
        with capturedLogs() as events:
            for _ in range(100):
                self.server.connect("198.51.100.1")
            self.server.clock.advance(30)
            self.server.connect("198.51.100.1")
        self.assertEqual(len(events), 1)
        self.assertIn("server.limits.connectionsPerClient (1) is reached", formatEvent(events[0]))
        with capturedLogs() as events:
            self.server.connect("198.51.100.1")
            self.server.clock.advance(31)
            for _ in range(3):
                self.server.connect("198.51.100.1")
        self.assertEqual(len(events), 1)
        self.assertIn("101 times", formatEvent(events[0]))


class RequestsTests(SynchronousTestCase):
    def test_at_a_time(self) -> None:
        resource = Slow()
        server = Server(resource, Limits(requests=2))
        made = [server.connect() for _ in range(3)]
        for protocol, _ in made:
            protocol.dataReceived(GET + b"\r\n")
        self.assertEqual(answers(made[2][1].value()), [503])
        self.assertEqual(len(resource.requests), 2)
        resource.requests[0].answer(200, {}, b"")
        made[1][0].connectionLost()
        for _ in range(2):
            protocol, _ = server.connect()
            protocol.dataReceived(GET + b"\r\n")
        self.assertEqual(len(resource.requests), 4)

    def test_large_bodies(self) -> None:
        """Others are read although there is no room for another large one."""
        witness = Witness()
        server = Server(witness, Limits(body=100, large_bodies=1000))
        witness.takes = lambda request, usual: 1000 if request.path == b"/large" else usual  # type: ignore[attr-defined]
        large = POST.replace(b"/a", b"/large") + b"Content-Length: 800\r\n\r\n"
        first, transport = server.connect()
        first.dataReceived(large + b"x" * 700)
        self.assertEqual(answers(server.send(large + b"x" * 700)), [503])
        self.assertEqual(answers(server.send(POST + b"Content-Length: 100\r\n\r\n" + b"x" * 100)), [200])
        first.dataReceived(b"x" * 100)
        self.assertEqual(answers(transport.value()), [200])
        self.assertEqual(answers(server.send(large + b"x" * 800)), [200])


class StopTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.resource = Slow()
        self.server = Server(self.resource)

    def connect(self, sent: bytes = b"") -> tuple[Any, Transport]:
        protocol, transport = self.server.connect()
        protocol.dataReceived(sent)
        return protocol, transport

    def test_without_connections(self) -> None:
        self.successResultOf(self.server.http.stop())

    def test_what_is_under_way_is_answered(self) -> None:
        idle, beginning, answered = self.connect(), self.connect(GET), self.connect(GET + b"\r\n")
        stopped = self.server.http.stop()
        self.server.clock.advance(LINGER)
        self.assertTrue(idle[1].disconnecting)
        self.assertTrue(beginning[1].half_closed)
        self.assertFalse(answered[1].disconnecting)
        self.resource.requests[0].answer(200, {}, b"answer")
        self.assertIn(b"Connection: close\r\n", answered[1].value())
        self.assertTrue(answered[1].value().endswith(b"answer"))
        self.assertTrue(answered[1].disconnecting)
        for protocol, _ in (idle, beginning, answered):
            self.assertNoResult(stopped)
            protocol.connectionLost()
        self.successResultOf(stopped)

    def test_what_had_been_sent_is_answered(self) -> None:
        """It may have come before the stop, and only not been read."""
        protocol, transport = self.connect()
        self.server.http.stop()
        protocol.dataReceived(GET + b"\r\n")
        self.server.clock.advance(LINGER)
        self.resource.requests[0].answer(200, {}, b"answer")
        self.assertIn(b"Connection: close\r\n", transport.value())
        self.assertTrue(transport.disconnecting)
        protocol.connectionLost()

    def test_what_takes_too_long_is_not_waited_for(self) -> None:
        silent, begun = self.connect(GET + b"\r\n"), self.connect(GET + b"\r\n")
        self.resource.requests[1].write(b"beginning")
        stopped = self.server.http.stop()
        self.server.clock.advance(PATIENCE)
        self.assertEqual(answers(silent[1].value()), [503])
        self.assertTrue(begun[1].aborted)
        self.resource.requests[0].answer(200, {}, b"too late")
        self.assertNotIn(b"too late", silent[1].value())
        for protocol, _ in (silent, begun):
            protocol.connectionLost()
        self.successResultOf(stopped)

    def test_nothing_more_is_answered_on_a_connection(self) -> None:
        protocol, transport = self.connect(GET + b"\r\n" + GET + b"\r\n")
        self.server.http.stop()
        self.resource.requests[0].answer(200, {}, b"")
        self.server.turn()
        self.assertEqual(len(self.resource.requests), 1)
        self.assertTrue(transport.half_closed)
        protocol.connectionLost()
