"""What a client sees on its connection: answers in order, streams both ways, and an end that is in time."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IConsumer
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from mxisd.net.http_server import HttpRequest, Limits
from tests.net.http_server.memory import Server, Transport
from tests.net.http_server.test_parser import CHUNKED, GET, POST, Witness, answers

LIMITS = Limits(body=100, head_timeout=10, body_timeout=60, idle_timeout=30, unread_timeout=20)


class Slow(Resource):
    """Answers when it is told to."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[HttpRequest] = []
        self.lost: list[Failure] = []

    def render(self, request: HttpRequest) -> int:
        self.requests.append(request)
        request.notifyFinish().addErrback(self.lost.append)
        return NOT_DONE_YET


class Passing(Slow):
    """Takes bodies while they come."""

    def takes(self, request: HttpRequest, usual: int) -> int | None:
        return None


@implementer(IConsumer)
class Taker:
    """Takes what is written to it."""

    def __init__(self) -> None:
        self.taken = b""

    def write(self, data: bytes) -> None:
        self.taken += data

    def registerProducer(self, producer: object, streaming: bool) -> None: ...

    def unregisterProducer(self) -> None: ...


class Producer:
    def __init__(self) -> None:
        self.paused = False
        self.stopped = False

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False

    def stopProducing(self) -> None:
        self.stopped = True


class Case(SynchronousTestCase):
    resource: Any = None

    def setUp(self) -> None:
        self.resource = self.make()
        self.server = Server(self.resource, LIMITS)
        self.protocol, self.transport = self.server.connect()

    def make(self) -> Resource:
        return Slow()

    def send(self, data: bytes) -> None:
        self.protocol.dataReceived(data)
        self.server.turn()

    def got(self) -> bytes:
        """What has come since this was asked last."""
        data = bytes(self.transport.value())
        self.transport.clear()
        return data

    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.server.clock.advance(1)


class AnswerTests(Case):
    def test_one_after_the_other(self) -> None:
        self.send(GET.replace(b"/a", b"/1") + b"\r\n" + GET.replace(b"/a", b"/2") + b"\r\n")
        self.assertEqual([request.path for request in self.resource.requests], [b"/1"])
        self.resource.requests[0].write(b"one")
        self.resource.requests[0].finish()
        self.server.turn()
        self.assertEqual([request.path for request in self.resource.requests], [b"/1", b"/2"])
        self.resource.requests[1].answer(200, {}, b"two")
        self.assertRegex(self.got(), rb"(?s)one\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n.*two")

    def test_in_one_write(self) -> None:
        writes: list[bytes] = []
        self.patch(Transport, "write", lambda _, data: writes.append(data))
        self.send(GET + b"\r\n")
        self.resource.requests[0].setHeader(b"Content-Length", b"3")
        self.resource.requests[0].write(b"one")
        self.resource.requests[0].finish()
        self.assertEqual(len(writes), 1)
        self.send(GET + b"\r\n")
        self.resource.requests[1].answer(200, {}, b"two")
        self.assertEqual(len(writes), 2)

    def test_of_unknown_length(self) -> None:
        self.send(GET + b"\r\n")
        for part in (b"0123456789abcdef", b"", b"x"):
            self.resource.requests[0].write(part)
        self.resource.requests[0].finish()
        self.assertTrue(self.got().endswith(b"\r\n\r\n10\r\n0123456789abcdef\r\n1\r\nx\r\n0\r\n\r\n"))
        self.assertFalse(self.transport.disconnecting)

    def test_of_unknown_length_by_http_1_0(self) -> None:
        self.send(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        self.resource.requests[0].write(b"one ")
        self.resource.requests[0].write(b"two")
        self.resource.requests[0].finish()
        got = self.got()
        self.assertTrue(got.endswith(b"\r\n\r\none two"))
        self.assertNotIn(b"chunked", got)
        self.assertIn(b"Connection: close\r\n", got)
        self.assertTrue(self.transport.disconnecting)

    def test_without_a_body(self) -> None:
        for method, status in ((b"HEAD", 200), (b"GET", 204), (b"GET", 304)):
            for whole in (True, False):
                self.resource.requests.clear()
                self.send(GET.replace(b"GET", method) + b"\r\n")
                if whole:
                    self.resource.requests[0].answer(status, {}, b"body")
                else:
                    self.resource.requests[0].setResponseCode(status)
                    self.resource.requests[0].write(b"body")
                    self.resource.requests[0].finish()
                head, end, rest = self.got().partition(b"\r\n\r\n")
                self.assertEqual((end, rest), (b"\r\n\r\n", b""))
                self.assertNotIn(b"chunked", head)

    def test_says_how_long_a_body_would_be(self) -> None:
        self.send(GET.replace(b"GET", b"HEAD") + b"\r\n")
        self.resource.requests[0].answer(200, {}, b"body")
        self.assertIn(b"Content-Length: 4\r\n", self.got())

    def test_of_nothing(self) -> None:
        self.send(GET + b"\r\n")
        self.resource.requests[0].finish()
        self.assertRegex(self.got(), rb"(?s)\AHTTP/1.1 200 OK\r\n.*Content-Length: 0\r\n.*\r\n\r\n\Z")

    def test_date(self) -> None:
        self.server.clock.advance(784111777)
        self.protocol, self.transport = self.server.connect()
        for seconds in (37, 38):
            self.send(GET + b"\r\n")
            self.resource.requests[-1].answer(200, {}, b"")
            self.assertIn(b"Date: Sun, 06 Nov 1994 08:49:%d GMT\r\n" % seconds, self.got())
            self.server.clock.advance(1)

    def test_no_field_of_an_answer_is_two(self) -> None:
        for value in (b"a\r\nSet-Cookie: b", b"a\nb", b"a\rb"):
            self.send(GET + b"\r\n")
            self.assertRaises(ValueError, self.resource.requests[-1].answer, 200, {b"Location": value}, b"")
            self.protocol.connectionLost()
            self.protocol, self.transport = self.server.connect()

    def test_close(self) -> None:
        for option in (b"close", b"Close", b"TE, close", b"x\r\nConnection: close"):
            self.protocol, self.transport = self.server.connect()
            self.send(GET + b"Connection: " + option + b"\r\n\r\n")
            self.resource.requests[-1].answer(200, {}, b"")
            self.assertIn(b"Connection: close\r\n", self.got())
            self.assertTrue(self.transport.disconnecting)

    def test_what_fails_is_an_error(self) -> None:
        def fail(request: HttpRequest) -> bytes:
            raise RuntimeError("a secret")

        self.resource.render = fail
        self.send(GET + b"\r\n" + GET + b"\r\n")
        got = self.got()
        self.assertEqual(answers(got), [500, 500])
        self.assertNotIn(b"secret", got)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    def test_methods_that_a_resource_has_not(self) -> None:
        class Gets(Resource):
            isLeaf = True

            def render_GET(self, request: HttpRequest) -> bytes:
                return b"got"

        self.server = Server(Gets())
        got = self.server.send(POST + b"\r\n")
        self.assertEqual(answers(got), [405])
        self.assertIn(b"Allow: GET, HEAD\r\n", got)
        self.assertIn(b"Content-Length: 3\r\n", self.server.send(GET.replace(b"GET", b"HEAD") + b"\r\n"))

    def test_a_client_that_goes_away(self) -> None:
        self.send(GET + b"\r\n")
        request = self.resource.requests[0]
        producer = Producer()
        request.registerProducer(producer, True)
        self.protocol.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(len(self.resource.lost), 1)
        self.assertTrue(request.gone)
        request.write(b"too late")
        request.finish()
        self.assertEqual(self.got(), b"")


class BodyTests(Case):
    def test_continue(self) -> None:
        for head in (POST + b"Content-Length: 4\r\n", CHUNKED[:-2]):
            self.send(head + b"Expect: 100-continue\r\n\r\n")
            self.assertEqual(self.got(), b"HTTP/1.1 100 Continue\r\n\r\n")
            self.send(b"body" if b"Length" in head else b"4\r\nbody\r\n0\r\n\r\n")
            self.assertEqual(self.resource.requests[-1].body, b"body")
            self.resource.requests[-1].answer(200, {}, b"")
            self.assertEqual(answers(self.got()), [200])

    def test_continue_is_not_for_what_will_be_refused(self) -> None:
        self.send(POST + b"Content-Length: 101\r\nExpect: 100-continue\r\n\r\n")
        self.assertEqual(answers(self.got()), [413])

    def test_continue_is_not_for_http_1_0(self) -> None:
        self.send(b"POST /a HTTP/1.0\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        self.assertEqual(self.got(), b"")

    def test_continue_is_not_for_nothing(self) -> None:
        self.send(GET + b"Expect: 100-continue\r\n\r\n")
        self.assertEqual(self.got(), b"")
        self.assertEqual(len(self.resource.requests), 1)

    def test_too_large(self) -> None:
        for sent in (POST + b"Content-Length: 101\r\n\r\n", CHUNKED + b"65\r\n" + b"x" * 101):
            self.protocol, self.transport = self.server.connect()
            self.send(sent)
            self.assertEqual(answers(self.got()), [413])
            self.assertTrue(self.transport.half_closed, "the client may see the answer")
            self.assertFalse(self.transport.disconnecting)
            self.send(b"x" * 1000 + b"\r\n0\r\n\r\n" + GET + b"\r\n")
            self.assertEqual(self.got(), b"", "and nothing more")
            self.wait(6)
            self.assertTrue(self.transport.aborted)
        self.assertEqual(self.resource.requests, [])


class PassingTests(Case):
    def make(self) -> Resource:
        return Passing()

    def begin(self, head: bytes = POST + b"Content-Length: 8\r\n\r\n") -> tuple[HttpRequest, Taker, Deferred[None]]:
        self.send(head)
        request, taker = self.resource.requests[-1], Taker()
        return request, taker, request.incoming.startProducing(taker)

    def test_while_it_comes(self) -> None:
        request, taker, sent = self.begin()
        self.assertEqual(request.incoming.length if request.incoming else None, 8)
        self.send(b"1234")
        self.assertEqual(taker.taken, b"1234")
        self.assertNoResult(sent)
        self.send(b"5678")
        self.assertEqual(taker.taken, b"12345678")
        self.successResultOf(sent)
        request.answer(200, {}, b"")
        self.send(POST + b"Content-Length: 1\r\n\r\n")
        self.assertEqual(len(self.resource.requests), 2)

    def test_in_chunks(self) -> None:
        _, taker, sent = self.begin(CHUNKED)
        self.send(b"4\r\n1234\r\n2\r\n5")
        self.assertEqual(taker.taken, b"12345")
        self.send(b"6\r\n0\r\n\r\n")
        self.assertEqual(taker.taken, b"123456")
        self.successResultOf(sent)

    def test_no_faster_than_it_is_taken(self) -> None:
        self.send(POST + b"Content-Length: 8\r\n\r\n12")
        self.assertEqual(self.transport.producerState, "paused")
        request, taker = self.resource.requests[0], Taker()
        request.incoming.startProducing(taker)
        self.assertEqual(self.transport.producerState, "producing")
        self.server.turn()
        self.assertEqual(taker.taken, b"12")
        request.incoming.pauseProducing()
        self.assertEqual(self.transport.producerState, "paused")
        self.send(b"34")
        self.assertEqual(taker.taken, b"12")
        request.incoming.resumeProducing()
        self.server.turn()
        self.assertEqual(taker.taken, b"1234")

    def test_answered_before_it_has_come(self) -> None:
        for asks in (True, False):
            self.send(POST + b"Content-Length: 8\r\n\r\n12")
            request = self.resource.requests[-1]
            if asks:
                request.incoming.startProducing(Taker())
            request.answer(403, {}, b"")
            self.assertEqual(answers(self.got()), [403])
            self.send(b"345678" + GET + b"\r\n")
            self.assertEqual(self.resource.requests[-1].method, b"GET")
            self.resource.requests[-1].answer(200, {}, b"")
            self.assertEqual(answers(self.got()), [200])

    def test_answered_once(self) -> None:
        """Whatever comes of the body then."""
        for late in (True, False):
            self.protocol, self.transport = self.server.connect()
            self.send(CHUNKED + b"4\r\n1234\r\n")
            self.resource.requests[-1].answer(403, {}, b"")
            self.send(b"2\r\n56\r\n" if late else b"nonsense\r\n")
            self.wait(61)
            self.assertEqual(answers(self.got()), [403])
            self.assertTrue(self.transport.half_closed)

    def test_cut_off(self) -> None:
        """Whoever takes it learns that it is not all."""
        for end in ("lost", "late", "broken"):
            self.protocol, self.transport = self.server.connect()
            _, taker, sent = self.begin(CHUNKED)
            self.send(b"4\r\n1234\r\n")
            if end == "lost":
                self.protocol.connectionLost(Failure(ConnectionLost()))
            elif end == "late":
                self.wait(61)
                self.assertEqual(answers(self.got()), [408])
            else:
                self.send(b"nonsense\r\n")
                self.assertEqual(answers(self.got()), [400])
            self.failureResultOf(sent)
            self.assertEqual(taker.taken, b"1234")

    def test_without_a_body_there_is_none(self) -> None:
        self.send(GET + b"\r\n")
        self.assertIsNone(self.resource.requests[0].incoming)


class TimeTests(Case):
    def test_a_client_that_says_nothing(self) -> None:
        self.wait(9)
        self.assertFalse(self.transport.disconnecting)
        self.wait(2)
        self.assertTrue(self.transport.disconnecting)
        self.assertEqual(self.got(), b"")

    def test_a_head_that_comes_a_byte_at_a_time(self) -> None:
        for byte in GET[:11]:
            self.send(bytes([byte]))
            self.wait(1)
        self.assertEqual(answers(self.got()), [408])
        self.wait(6)
        self.assertTrue(self.transport.aborted)

    def test_a_body_that_comes_a_byte_at_a_time(self) -> None:
        self.send(POST + b"Content-Length: 90\r\n\r\n")
        for _ in range(61):
            self.send(b"x")
            self.wait(1)
        self.assertEqual(answers(self.got()), [408])
        self.assertEqual(self.resource.requests, [])

    def test_between_requests(self) -> None:
        self.send(GET + b"\r\n")
        self.wait(1000)
        self.assertFalse(self.transport.disconnecting, "an answer may take its time")
        self.resource.requests[0].answer(200, {}, b"")
        self.wait(29)
        self.assertFalse(self.transport.disconnecting)
        self.wait(2)
        self.assertTrue(self.transport.disconnecting)

    def test_a_second_head_has_its_time_from_its_beginning(self) -> None:
        self.send(GET + b"\r\n")
        self.resource.requests[0].answer(200, {}, b"")
        self.got()
        self.wait(20)
        self.send(GET)
        self.wait(9)
        self.assertEqual(self.got(), b"")
        self.wait(2)
        self.assertEqual(answers(self.got()), [408])

    def test_one_that_was_sent_ahead_has_too(self) -> None:
        self.send(GET + b"\r\n" + GET)
        self.resource.requests[0].answer(200, {}, b"")
        self.server.turn()
        self.got()
        self.wait(11)
        self.assertEqual(answers(self.got()), [408])


class UnreadTests(Case):
    """Clients that do not read their answers; what a transport does then is done by hand here."""

    def pause(self) -> None:
        assert self.transport.producer is not None
        self.transport.producer.pauseProducing()

    def resume(self) -> None:
        assert self.transport.producer is not None
        self.transport.producer.resumeProducing()
        self.server.turn()

    def test_have_nothing_more_answered(self) -> None:
        self.send(GET + b"\r\n" + GET + b"\r\n")
        self.pause()
        self.resource.requests[0].answer(200, {}, b"x")
        self.server.turn()
        self.assertEqual(len(self.resource.requests), 1)
        self.resume()
        self.assertEqual(len(self.resource.requests), 2)

    def test_are_not_read_from(self) -> None:
        self.send(GET + b"\r\n")
        for _ in range(17):
            self.assertEqual(self.transport.producerState, "producing")
            self.send(b"\r\n" * 512)
        self.assertEqual(self.transport.producerState, "paused")

    def test_are_read_from_again(self) -> None:
        self.send(GET + b"\r\n")
        self.send((GET + b"\r\n") * 1000)
        self.assertEqual(self.transport.producerState, "paused")
        for count in range(1001):
            self.resource.requests[count].answer(200, {}, b"")
            self.server.turn()
        self.assertEqual(self.transport.producerState, "producing")
        self.assertEqual(answers(self.got()), [200] * 1001)

    def test_have_their_time_for_each_portion(self) -> None:
        self.send(GET + b"\r\n")
        self.pause()
        self.resource.requests[0].answer(200, {}, b"x" * 150_000)
        for _ in range(2):
            self.wait(19)
            self.assertFalse(self.transport.aborted)
            self.resume()
            self.pause()
        self.wait(21)
        self.assertTrue(self.transport.aborted)

    def test_all_is_sent_before_the_end(self) -> None:
        self.send(GET + b"Connection: close\r\n\r\n")
        self.pause()
        self.resource.requests[0].answer(200, {}, b"x" * 150_000)
        self.assertFalse(self.transport.disconnecting)
        self.resume()
        self.assertTrue(self.transport.disconnecting)
        self.assertTrue(self.got().endswith(b"x" * 150_000))

    def test_what_produces_an_answer_waits_for_them(self) -> None:
        self.send(GET + b"\r\n")
        request, producer = self.resource.requests[0], Producer()
        request.registerProducer(producer, True)
        self.pause()
        self.assertTrue(producer.paused)
        request.write(b"x")
        self.resume()
        self.assertFalse(producer.paused)
        request.unregisterProducer()
        request.finish()

    def test_a_large_answer_that_is_read_has_no_end_in_time(self) -> None:
        self.send(GET + b"\r\n")
        self.resource.requests[0].answer(200, {}, b"x" * 1_000_000)
        self.wait(25)
        self.assertFalse(self.transport.aborted)

    def test_what_a_witness_has_seen(self) -> None:
        """No request is answered twice, and none is left out."""
        witness = Witness()
        self.server = Server(witness, LIMITS)
        protocol, transport = self.server.connect()
        protocol.dataReceived(b"".join(GET.replace(b"/a", b"/%d" % number) + b"\r\n" for number in range(500)))
        for _ in range(10):
            self.server.turn()
        self.assertEqual([uri for _, uri, _ in witness.seen], [b"/%d" % number for number in range(500)])
        self.assertEqual(answers(transport.value()), [200] * 500)
