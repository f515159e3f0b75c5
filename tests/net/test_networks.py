from ipaddress import ip_address, ip_network
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mxisd.net.networks import ANYWHERE, may_reach, network_of_client

PRIVATE = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.8
192.0.0.170 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1
255.255.255.255
:: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::127.0.0.1 64:ff9b::10.0.0.1
64:ff9b:1::1 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:20::1 2001:db8::1
2002:7f00:1:: 2002:808:808:: 3fff::1 4000::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1
"""
PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 100.63.255.255 100.128.0.0 172.15.255.255 172.32.0.0 192.0.1.1 193.0.0.1 223.255.255.255
2001:200::1 2001:4860:4860::8888 2606:4700::1111 2a00:1450::1 ::ffff:8.8.8.8 64:ff9b::8.8.8.8
"""


class MayReachTests(SynchronousTestCase):
    def test_private(self) -> None:
        self.assertEqual([each for each in PRIVATE.split() if may_reach(ip_address(each), [])], [])

    def test_public(self) -> None:
        self.assertEqual([each for each in PUBLIC.split() if not may_reach(ip_address(each), [])], [])

    def test_allowed(self) -> None:
        allowed = [ip_network("127.0.0.0/8"), ip_network("fd00::/8")]
        for each in ("127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "fd00::1"):
            self.assertTrue(may_reach(ip_address(each), allowed), each)
        for each in ("10.0.0.1", "::1", "::127.0.0.1", "fe80::1"):
            self.assertFalse(may_reach(ip_address(each), allowed), each)

    @given(st.ip_addresses())
    def test_agrees_with_the_registry_where_that_refuses(self, address: object) -> None:
        judged = ip_address(str(address))
        if may_reach(judged, []):
            self.assertTrue(judged.is_global or judged in ip_network("64:ff9b::/96") or "::ffff:" in str(judged))
        self.assertTrue(may_reach(judged, ANYWHERE))


class ClientTests(SynchronousTestCase):
    @given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
    def test_a_client_of_ipv6(self, found: Any, other: int) -> None:
        same = type(found)(int(found) >> 64 << 64 | other)
        self.assertEqual(network_of_client(str(found)), network_of_client(str(same)))

    def test_a_zone_is_no_other_client(self) -> None:
        self.assertEqual(
            len({network_of_client(address) for address in ("fe80::%a", "fe80::%b", "fe80::", "fe80::1%c")}), 1
        )

    @given(st.ip_addresses(v=4))
    def test_a_client_of_ipv4(self, found: Any) -> None:
        self.assertEqual(network_of_client(str(found)), str(found))
