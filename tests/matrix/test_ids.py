"""User IDs, room IDs and server names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mxisd.matrix.ids import (
    InvalidIdentifier,
    check_room_id,
    is_ip_literal,
    is_user_of,
    server_of,
    split_server_name,
    split_user_id,
)


class ServerNameTests(SynchronousTestCase):
    def test_good(self) -> None:
        for name, parts in {
            "example.org": ("example.org", None),
            "EXAMPLE.org:8448": ("EXAMPLE.org", 8448),
            "localhost:1": ("localhost", 1),
            "192.0.2.1:65535": ("192.0.2.1", 65535),
            "[::1]": ("[::1]", None),
            "[2001:db8::1]:443": ("[2001:db8::1]", 443),
        }.items():
            self.assertEqual(split_server_name(name), parts)

    def test_bad(self) -> None:
        for name in (
            "",
            ":",
            ":80",
            "example.org:",
            "example.org:0",
            "example.org:08090",
            "example.org:65536",
            "example.org: 80",
            "example.org:+80",
            "example.org:٨٠",
            "example.org/",
            "example.org?x",
            "example.org#x",
            "user@example.org",
            "https://example.org",
            " example.org",
            "example.org\n",
            "exämple.org",
            "a" * 256,
            "[::1",
            "[]",
            "[::1]x",
            "[127.0.0.1]",
            "::1",
        ):
            self.assertRaises(InvalidIdentifier, split_server_name, name)

    def test_ip_literals(self) -> None:
        for host in ("127.0.0.1", "[::1]"):
            self.assertTrue(is_ip_literal(host))
        for host in ("127.1", "example.org", "1.2.3.4.5", "0x7f.0.0.1"):
            self.assertFalse(is_ip_literal(host))

    @given(st.text(max_size=20))
    def test_anything_else_is_refused_and_nothing_breaks(self, name: str) -> None:
        try:
            host, port = split_server_name(name)
        except InvalidIdentifier:
            return
        self.assertEqual(name, host if port is None else f"{host}:{port}")


class UserIDTests(SynchronousTestCase):
    def test_good(self) -> None:
        self.assertEqual(split_user_id("@alice:example.org:8448"), ("alice", "example.org:8448"))
        self.assertEqual(split_user_id("@Historical User!:example.org")[0], "Historical User!")
        self.assertEqual(server_of("@a:[::1]:80"), "[::1]:80")

    def test_bad(self) -> None:
        for user_id in (
            "",
            "alice",
            "@alice",
            "@:example.org",
            "@alice:",
            "#alice:example.org",
            "@al\x00ice:example.org",
            "@al\nice:example.org",
            "@alice:example.org/",
            "@" + "a" * 250 + ":example.org",
            "@\ud800:example.org",
        ):
            self.assertRaises(InvalidIdentifier, split_user_id, user_id)

    def test_whose(self) -> None:
        self.assertTrue(is_user_of("@alice:example.org", "example.org"))
        for user_id in ("@alice:example.com", "@alice:sub.example.org", "alice:example.org", "@alice:example.org:8448"):
            self.assertFalse(is_user_of(user_id, "example.org"))


class RoomIDTests(SynchronousTestCase):
    def test_good(self) -> None:
        for room_id in ("!room:example.org", "!dHjXbS9mBQJ2H0b1bLbyBgNSZkrHqMvWWyKc3RBh9Ts"):
            check_room_id(room_id)

    def test_bad(self) -> None:
        for room_id in ("", "!", "room:example.org", "#room:example.org", "!a b", "!a\n", "!" + "a" * 255):
            self.assertRaises(InvalidIdentifier, check_room_id, room_id)
