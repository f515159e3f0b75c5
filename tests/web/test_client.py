"""Who a client is, by what proxies say, and by who says it."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any, cast

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from mxisd.net.http_server import HttpRequest
from mxisd.web.client import STRANGER, Clients

LOOPBACK = ip_network("127.0.0.0/8")


class FakeRequest:
    def __init__(self, peer: IAddress, headers: Headers) -> None:
        self.peer = peer
        self.requestHeaders = headers

    def getHeader(self, name: bytes) -> bytes | None:
        lines = self.requestHeaders.getRawHeaders(name)
        return lines[-1] if lines else None

    def getClientAddress(self) -> IAddress:
        return self.peer


class ClientTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clients = Clients([LOOPBACK])

    def address(self, peer: str, *lines: str, header: str = "X-Forwarded-For") -> str:
        family: Any = IPv6Address if ":" in peer else IPv4Address
        at: IAddress = family("TCP", peer, 1234) if peer else UNIXAddress(b"/run/mxisd.sock")
        request = FakeRequest(at, Headers({header: list(lines)} if lines else {}))
        return self.clients.address(cast("HttpRequest", request))

    def test_what_a_trusted_proxy_writes(self) -> None:
        for written, read in {
            "203.0.113.7": "203.0.113.7",
            "203.0.113.7:51234": "203.0.113.7",
            " 203.0.113.7 ": "203.0.113.7",
            '"203.0.113.7"': "203.0.113.7",
            '"203.0.113.7:51234"': "203.0.113.7",
            "::ffff:203.0.113.7": "203.0.113.7",
            "2001:db8::7": "2001:db8::7",
            "2001:DB8:0:0::7": "2001:db8::7",
            "[2001:db8::7]": "2001:db8::7",
            "[2001:db8::7]:443": "2001:db8::7",
            '"[2001:db8::7]:443"': "2001:db8::7",
            "for=203.0.113.7": "203.0.113.7",
            "For=203.0.113.7;proto=https": "203.0.113.7",
            'proto=https;for="[2001:db8::7]:443";by=10.0.0.1': "2001:db8::7",
            "for = 203.0.113.7:80": "203.0.113.7",
            "10.1.2.3": "10.1.2.3",
            "198.51.100.1, 203.0.113.7": "203.0.113.7",
        }.items():
            self.assertEqual(self.address("127.0.0.1", written), read, written)

    def test_what_cannot_be_read_is_a_stranger(self) -> None:
        for written in (
            "unknown",
            "",
            ",",
            "203.0.113.7,",
            "_hidden",
            "for=unknown",
            "for=_secret",
            "for=",
            "unix:",
            "localhost",
            "203.0.113",
            "203.0.113.7:port",
            "203.0.113.7:",
            "203.0.113.7:123456",
            "203.0.113.07",
            "[2001:db8::7",
            "2001:db8::7]:443",
            "[203.0.113.7]x",
            "10.0.0.0/8",
            "0x7f000001",
            "2130706433",
            "\u0661\u0662\u0667.0.0.1",
            "127.0.0.1 127.0.0.1",
            "127.0.0.1; 127.0.0.1",
        ):
            self.assertEqual(self.address("127.0.0.1", written), STRANGER, written)
            self.assertEqual(self.address("", written), STRANGER, written)
        self.assertEqual(self.address("127.0.0.1", "10.0.0.1", "unknown"), STRANGER)

    def test_without_a_proxy(self) -> None:
        self.assertEqual(self.address("10.1.2.3"), "10.1.2.3")
        self.assertEqual(self.address("::ffff:10.1.2.3"), "10.1.2.3")
        self.assertEqual(self.address("8.8.8.8", "10.1.2.3"), "8.8.8.8")
        self.assertEqual(self.address(""), "")

    def test_a_private_proxy_that_is_not_named(self) -> None:
        """Behind a container's proxy is the whole internet."""
        for peer in ("172.18.0.2", "10.0.0.1", "192.168.1.1", "fd00::2", "169.254.1.1", "100.64.0.1"):
            for claim in ("203.0.113.7", "10.1.2.3", "unknown", ""):
                self.assertEqual(self.address(peer, claim), STRANGER, peer)
                self.assertEqual(self.address(peer, claim, header="Forwarded"), STRANGER, peer)
                self.assertEqual(self.address("127.0.0.1", f"{claim}, {peer}"), STRANGER, peer)

    def test_forwarded_counts_where_there_is_nothing_else(self) -> None:
        self.assertEqual(self.address("127.0.0.1", 'for="203.0.113.7:80"', header="Forwarded"), "203.0.113.7")

    def test_several_trusted_proxies(self) -> None:
        self.clients = Clients([LOOPBACK, ip_network("10.9.0.0/16")])
        self.assertEqual(self.address("127.0.0.1", "203.0.113.7, 10.9.0.1"), "203.0.113.7")
        self.assertEqual(self.address("127.0.0.1", "203.0.113.7", "10.9.0.1:80"), "203.0.113.7")
        self.assertEqual(self.address("127.0.0.1", "10.9.0.2, 8.8.8.8, 10.9.0.1"), "8.8.8.8")
