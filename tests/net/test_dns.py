import os
from collections.abc import Awaitable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from mxisd.net.dns import DnsError, Resolver, SrvRecord
from tests.net.nameserver import NameServer


class ResolverTests(TestCase):
    """Against a name server on loopback."""

    def setUp(self) -> None:
        self.server = NameServer(reactor)
        self.addCleanup(self.server.stop)
        self.hosts = Path(self.mktemp())
        self.hosts.write_text("127.0.0.9 here.example Alias # no.example\n::1 here.example\n")
        self.resolver = Resolver(reactor, [self.server.address], str(self.hosts))

    async def assert_fails(self, lookup: Awaitable[object], *, retryable: bool) -> None:
        try:
            await lookup
        except DnsError as error:
            self.assertEqual(error.retryable, retryable, error)
        else:
            self.fail("no DnsError")

    async def test_addresses(self) -> None:
        self.server.zone = {
            "both.example": ["AAAA 2001:db8::1", "A 192.0.2.1"],
            "alias.example": ["CNAME both.example", "A 192.0.2.1"],
        }
        self.assertEqual(
            await self.resolver.addresses("both.example"), [ip_address("2001:db8::1"), ip_address("192.0.2.1")]
        )
        self.assertEqual(await self.resolver.addresses("BOTH.example."), await self.resolver.addresses("both.example"))
        self.assertEqual(await self.resolver.addresses("alias.example"), [ip_address("192.0.2.1")])

    async def test_literals_and_hosts_need_no_server(self) -> None:
        for literal in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
            self.assertEqual(await self.resolver.addresses(literal), [ip_address(literal)])
        for name in ("here.example", "HERE.example", "here.example."):
            self.assertEqual(await self.resolver.addresses(name), [ip_address("127.0.0.9"), ip_address("::1")])
        self.assertEqual(await self.resolver.addresses("alias"), [ip_address("127.0.0.9")])
        self.assertEqual(self.server.asked, [])

    async def test_numbers_that_libc_reads_as_addresses_are_names(self) -> None:
        for name in ("127.1", "0x7f.1", "2130706433", "0177.0.0.1"):
            await self.assert_fails(self.resolver.addresses(name), retryable=False)

    async def test_no_such_name(self) -> None:
        await self.assert_fails(self.resolver.addresses("none.example"), retryable=False)
        self.server.zone["empty.example"] = []
        await self.assert_fails(self.resolver.addresses("empty.example"), retryable=False)
        self.assertEqual(await self.resolver.services("none.example"), [])

    async def test_server_failure_may_pass(self) -> None:
        self.server.failing.add("bad.example")
        await self.assert_fails(self.resolver.addresses("bad.example"), retryable=True)
        await self.assert_fails(self.resolver.services("bad.example"), retryable=True)
        self.server.failing.clear()
        self.server.zone["bad.example"] = ["A 192.0.2.1"]
        self.assertEqual(await self.resolver.addresses("bad.example"), [ip_address("192.0.2.1")])

    async def test_services(self) -> None:
        self.server.zone["_matrix._tcp.example"] = ["SRV 10 5 443 a.example", "SRV 20 0 8448 ."]
        self.assertEqual(
            sorted(await self.resolver.services("_matrix._tcp.example")),
            [SrvRecord(10, 5, 443, "a.example"), SrvRecord(20, 0, 8448, "")],
        )

    async def test_answers_are_kept(self) -> None:
        self.server.zone["a.example"] = ["A 192.0.2.1"]
        await self.resolver.addresses("a.example")
        await self.resolver.addresses("a.example")
        self.assertEqual(sorted(self.server.asked), ["A a.example", "AAAA a.example"])

    async def test_what_dns_cannot_hold_is_not_asked(self) -> None:
        for name in ("", ".", "a..b", ".a", "a" * 64, "a" * 63 + ".example" * 30, "ä.example"):
            await self.assert_fails(self.resolver.addresses(name), retryable=False)
        self.assertEqual(self.server.asked, [])


class SilentServerTests(SynchronousTestCase):
    def test_given_up_within_seconds(self) -> None:
        clock = SilentNetwork()
        lookup = Deferred.fromCoroutine(Resolver(clock, [("127.0.0.1", 53)], os.devnull).addresses("a.example"))
        clock.pump([1, 2, 2.9])
        self.assertNoResult(lookup)
        clock.advance(0.1)
        self.assertTrue(self.failureResultOf(lookup, DnsError).value.retryable)


class SilentNetwork(Clock):
    """A clock, and sockets on which nothing arrives."""

    def listenUDP(self, port: int, protocol: Any, interface: str = "", **rest: object) -> object:
        protocol.makeConnection(self)
        return self

    def write(self, *datagram: object) -> None: ...

    def stopListening(self) -> None: ...
