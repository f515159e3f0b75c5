"""Hosts as administrators write them, and the way to those whose names Twisted would refuse."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IReactorPluggableNameResolver, IResolutionReceiver
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from mxisd.net.connection import host_endpoint
from mxisd.net.hosts import BadHost, HostPort, host_port
from mxisd.net.tls import Trust
from mxisd.web.proxy import agent_for

LABELS = st.from_regex(r"[a-z_]([a-z0-9_-]{0,20}[a-z0-9_])?", fullmatch=True)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
HOSTS = NAMES | st.ip_addresses().map(str)


class HostPortTests(SynchronousTestCase):
    def test_good(self) -> None:
        for text, place in {
            "example.org": ("example.org", None),
            "example.org.": ("example.org", None),
            "Example.org:8448": ("Example.org", 8448),
            "matrix_synapse:8008": ("matrix_synapse", 8008),
            "_x_._y": ("_x_._y", None),
            "Bücher.example:1": ("xn--bcher-kva.example", 1),
            "bücher.my_net": ("xn--bcher-kva.my_net", None),
            "3com.example": ("3com.example", None),
            "192.0.2.1:65535": ("192.0.2.1", 65535),
            "::1": ("::1", None),
            "[::1]": ("::1", None),
            "[2001:db8::1]:443": ("2001:db8::1", 443),
        }.items():
            self.assertEqual(host_port(text), place, text)

    def test_bad(self) -> None:
        for text in (
            "",
            ":",
            ":80",
            "example.org:",
            "example.org:0",
            "example.org:080",
            "example.org:65536",
            "example.org:+80",
            "example.org:\u0668\u0660",
            "http://example.org",
            "user@example.org",
            "example.org/",
            "a b",
            "a\n",
            "a..b",
            "-a.example",
            "192.0.2.256",
            "192.0.2",
            "1",
            "a" * 64,
            ".".join(["abcdefgh"] * 29),
            "ü" * 64,
            "[::1",
            "[]",
            "[::1]x",
            "[127.0.0.1]",
            "[example.org]",
            "::1:80:example",
        ):
            self.assertRaises(BadHost, host_port, text)

    @given(HOSTS, st.none() | st.integers(1, 65535))
    def test_what_is_written_is_read(self, host: str, port: int | None) -> None:
        place = HostPort(host, port)
        self.assertEqual(host_port(str(place)), place)

    @given(st.text(max_size=30) | st.from_regex(r"[\[a-zß_.0-9:-]{0,20}(\]?:[0-9]{0,6})?", fullmatch=True))
    def test_anything_is_read_or_refused(self, text: str) -> None:
        try:
            place = host_port(text)
        except BadHost:
            return
        self.assertTrue(place.host.isascii() and place.host.isprintable() and " " not in place.host)
        self.assertEqual(host_port(str(place)), place)


@implementer(IReactorPluggableNameResolver)
class NamingReactor(MemoryReactorClock):
    """Knows where every host is, and of which it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.nameResolver: Any = self

    def resolveHostName(
        self,
        receiver: IResolutionReceiver,
        host: str,
        portNumber: int = 0,  # noqa: N803
        **_: object,
    ) -> Any:
        self.asked.append(host)
        receiver.addressResolved(IPv4Address("TCP", "192.0.2.1", portNumber))
        receiver.resolutionComplete()


class HostEndpointTests(SynchronousTestCase):
    def test_names_with_underscores_are_looked_up_as_any_other(self) -> None:
        for name in ("matrix_synapse", "mail.example.org"):
            reactor: Any = NamingReactor()
            host_endpoint(reactor, name, 8008).connect(Factory())
            self.assertEqual(reactor.asked, [name])
            self.assertEqual([client[:2] for client in reactor.tcpClients], [("192.0.2.1", 8008)])

    def test_homeservers_may_have_such_names(self) -> None:
        reactor: Any = NamingReactor()
        agent_for(reactor, Trust()).request(b"GET", b"http://matrix_synapse:8008/")
        agent_for(reactor, Trust()).request(b"GET", b"https://matrix_synapse/")
        self.assertEqual(reactor.asked, ["matrix_synapse"] * 2)
        self.assertEqual([client[1] for client in reactor.tcpClients], [8008, 443])
