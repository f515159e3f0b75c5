import re
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mxisd.config.engine import hosts, numbers, values
from mxisd.config.engine.section import Told, Unfit
from mxisd.config.engine.substitute import BadReference, leaves_some, substitute

PARTS = st.tuples(*(st.none() | st.integers(0, 10_000) for _ in range(4)))
SECONDS = (86400, 3600, 60, 1)


class DurationTests(SynchronousTestCase):
    def test_examples(self) -> None:
        for text, seconds in [
            ("10s", 10),
            ("2d 4h 12m 34s", 187_954),
            ("5m 6s", 306),
            ("1d", 86400),
            ("0s", 0),
            ("5s 2m", 125),
            ("1s 1s", 2),
        ]:
            self.assertEqual(values.duration(text), timedelta(seconds=seconds))

    @given(st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from("dhms")), min_size=1, max_size=8))
    def test_parts_come_in_any_order(self, parts: list[tuple[int, str]]) -> None:
        seconds = sum(count * SECONDS["dhms".index(unit)] for count, unit in parts)
        text = " ".join(f"{count}{unit}" for count, unit in parts)
        self.assertEqual(values.duration(text), timedelta(seconds=seconds))

    @given(PARTS.filter(any), st.sampled_from(["", " ", "  "]))
    def test_is_the_sum_of_its_parts(self, parts: tuple[int | None, ...], space: str) -> None:
        text = space.join(f"{part}{unit}" for part, unit in zip(parts, "dhms", strict=True) if part is not None)
        seconds = sum((part or 0) * unit for part, unit in zip(parts, SECONDS, strict=True))
        self.assertEqual(values.duration(text), timedelta(seconds=seconds))

    def test_others(self) -> None:
        for text in ["", " ", "10", "-1s", "1.5h", "1sm", "1 s", "1s,1m", "1w", "1S", "s", "P1D", "١s"]:
            self.assertRaises(Unfit, values.duration, text)

    def test_no_longer_than_there_are_dates(self) -> None:
        minutes = values.number_of(timedelta(minutes=1))
        self.assertEqual(minutes("10080"), timedelta(days=7))
        for parse, most, more in [(values.duration, "2555000d", "2555001d"), (minutes, "3679200000", "3679200001")]:
            self.assertEqual(parse(most), timedelta(days=2_555_000))
            for text in (more, more * 1000):
                self.assertRaises(Unfit, parse, text)
        self.assertRaises(Unfit, minutes, "0")

    @given(st.text())
    def test_is_read_or_refused(self, text: str) -> None:
        try:
            duration = values.duration(text)
        except Unfit:
            return
        self.assertGreaterEqual(duration.total_seconds(), 0)
        self.assertTrue(re.search(r"[0-9][dhms]", text))


class SubstituteTests(SynchronousTestCase):
    @given(st.text().filter(lambda text: "${" not in text), st.text(), st.text())
    def test_variables(self, text: str, first: str, second: str) -> None:
        environ = {"FIRST": first, "_2nd": second}
        self.assertEqual(substitute(text, {}), text)
        # A dollar sign before a reference would make it an escape.
        self.assertEqual(substitute(f"${{FIRST}} ${{_2nd}}{text}", environ), f"{first} {second}{text}")

    @given(st.text())
    def test_any_text_can_be_written(self, text: str) -> None:
        self.assertEqual(substitute(text.replace("${", "$${"), {}), text)

    def test_others(self) -> None:
        environ = {"A": "x", "A-B": "x", "1": "x", "": "x", "ä": "x"}
        for text in ["${", "${}", "${A", "${A-B}", "${1}", "${ A }", "${ä}", "a${B}", "${b}"]:
            self.assertEqual(substitute(text, environ), text)
            self.assertTrue(leaves_some(text, environ))
        self.assertRaises(BadReference, substitute, "${B}", environ)
        for text in ["${A}", "$${", "a$${B}${A}", "$", "{A}"]:
            self.assertFalse(leaves_some(text, environ), text)


class OtherValueTests(SynchronousTestCase):
    def accepts(self, parse: values.Parser, *texts: str) -> None:
        for text in texts:
            self.assertEqual(parse(text), text)

    def refuses(self, parse: values.Parser, *texts: str) -> None:
        for text in texts:
            self.assertRaises(Unfit, parse, text)

    @given(st.integers(-9_999_999_999, 9_999_999_999))
    def test_integers(self, number: int) -> None:
        self.assertEqual(values.integer(str(number)), number)

    def test_integers_of_yaml_1_1(self) -> None:
        for text, number in (
            ("010", 8),
            ("10:00", 600),
            ("1:30:00", 5400),
            ("10_080", 10_080),
            ("0x1F", 31),
            ("0b101", 5),
            ("+1", 1),
            ("-010", -8),
            ("00", 0),
        ):
            self.assertEqual(values.integer(text), Told(number, f"{text} is read as {number}, as YAML 1.1 has it"))

    @given(st.integers(0, 2**40), st.sampled_from(["{:#x}", "{:#b}", "0{:o}", "{:_}", "+{}"]))
    def test_integers_in_other_bases(self, number: int, form: str) -> None:
        self.assertEqual(numbers.number(form.format(number)), number)

    @given(st.integers(1, 10**6), st.integers(0, 59), st.integers(0, 59))
    def test_integers_of_base_60(self, first: int, second: int, third: int) -> None:
        self.assertEqual(numbers.number(f"{first}:{second:02}:{third}"), (first * 60 + second) * 60 + third)

    @given(st.text(st.sampled_from("0123456789_:+-xba. ")))
    def test_integers_are_what_pyyaml_makes_of_them(self, text: str) -> None:
        """PyYAML reads YAML 1.1 as well."""
        try:
            found = yaml.safe_load(f"[{text}]")[0]
        except (yaml.YAMLError, ValueError, IndexError):
            return
        if type(found) is int and numbers.number(text.strip()) is not None:
            self.assertEqual(numbers.number(text.strip()), found)

    @given(st.text())
    def test_numbers_are_read_or_refused(self, text: str) -> None:
        self.assertIsInstance(numbers.number(text), int | None)

    def test_not_integers(self) -> None:
        self.refuses(values.integer, "", "08", "0o7", "0x", "_1", "1.0", "1e3", "1:60", " 1", "1\n", "٣", "9" * 5000)

    def test_urls(self) -> None:
        self.accepts(hosts.url, "https://example.org/a/b?c=d#e", "http://127.0.0.1:8080", "https://[::1]:1/")
        self.refuses(
            hosts.url,
            "",
            "example.org",
            "//example.org",
            "ftp://example.org",
            "https://",
            "https:///path",
            "https://user:secret@example.org",
            "https://example.org:0",
            "https://example.org/a b",
            "https://example.org/\n",
            "https://exämple.org",
        )
        self.assertEqual(hosts.base_url("https://example.org/mxisd//"), "https://example.org/mxisd")
        self.accepts(hosts.base_url, "http://matrix_synapse:8008")
        self.refuses(hosts.base_url, "https://example.org?", "https://example.org/#x")

    def test_overwrites(self) -> None:
        for text, url in (
            ("localhost", "http://localhost"),
            ("hs:8008", "http://hs:8008"),
            ("[::1]:1/", "http://[::1]:1"),
        ):
            self.assertEqual(hosts.client_overwrite(text).value, url)
            self.assertEqual(hosts.overwrite(text).value, url.replace("http:", "https:"))
        self.accepts(hosts.client_overwrite, "http://hs:8008", "https://hs")
        self.accepts(hosts.overwrite, "http://hs:8008", "https://hs/path")
        self.assertEqual(hosts.client_overwrite("https://hs:1/_matrix/client").value, "https://hs:1")
        self.refuses(hosts.client_overwrite, "", "ftp://x", "a b", "user:pass@hs", "hs?x", "http://")

    def test_urls_of_terms(self) -> None:
        self.accepts(hosts.terms_url, "https://example.org/terms", "http://localhost/#a")
        for text in ("terms.html", "/terms_en.html", "../a?b#c", "terms/de:1.html"):
            self.assertEqual(hosts.terms_url(text).value, text)
        self.refuses(
            hosts.terms_url, "", "javascript:alert(1)", "//evil.example/x", "a b", "mailto:a@b", "data:,x", "é"
        )

    def test_redis_urls(self) -> None:
        self.accepts(
            hosts.redis_url,
            "redis://localhost",
            "rediss://:pass@host:1/2",
            "unix:/run/redis.sock",
            "unix:///run/x?db=1",
            "redis://matrix_redis",
            "redis://user:p@ss@[::1]:6379/0",
        )
        self.refuses(hosts.redis_url, "", "localhost:6379", "redis://", "unix:", "redis://h:x", "redis://h:70000")
        self.refuses(hosts.redis_url, "redis://h:0", "redis://a b", "redis://[::1")
        self.refuses(hosts.redis_url, "redis://h/x", "redis://h/0/1", "redis://h/-1", "unix:/x?db=one")
        self.accepts(values.key_prefix, "", "mxisd:", "{mxisd}.")
        self.refuses(values.key_prefix, "a b", "it's", "a\n", "ü")

    def test_name_servers(self) -> None:
        for text, server in [
            ("127.0.0.1", ("127.0.0.1", 53)),
            ("127.0.0.1:5353", ("127.0.0.1", 5353)),
            ("::1", ("::1", 53)),
            ("[::1]", ("::1", 53)),
            ("[::1]:5353", ("::1", 5353)),
        ]:
            self.assertEqual(hosts.name_server(text), server)
        self.refuses(hosts.name_server, "", "localhost", "127.0.0.1:0", "127.0.0.1:", "[::1", "[::1]x:1", ":53")

    def test_hosts(self) -> None:
        self.accepts(hosts.host, "mail.example.org", "smtp_relay", "localhost", "192.0.2.1", "::1")
        self.assertEqual(hosts.host("[::1]"), "::1")
        self.assertEqual(hosts.host("bücher.example"), "xn--bcher-kva.example")
        self.refuses(hosts.host, "", "a b", "192.0.2", "user@mail", "mail/", "[::1", "::1::")
        for text, problem in [
            ("mail.example.org:587", "the port goes to the key 'port' beside it"),
            ("[::1]:25", "the port goes to the key 'port' beside it"),
            ("smtp://mail", "without smtp:// in front"),
            ("smtp://mail:25", "without smtp:// in front"),
        ]:
            with self.assertRaisesRegex(Unfit, problem):
                hosts.host(text)

    def test_listening_hosts(self) -> None:
        self.accepts(hosts.listening_host, "127.0.0.1", "::", "localhost", "my_host", "/run/mxisd.sock")
        self.refuses(hosts.listening_host, "127.0.0.1:80", "[::]:80", "http://localhost", "run/mxisd.sock")

    def test_endpoints(self) -> None:
        self.accepts(
            hosts.endpoint,
            "tcp:8090",
            r"tcp:8090:interface=\:\:1",
            "unix:/run/mxisd.sock:mode=660",
            "systemd:domain=INET:index=0",
        )
        self.refuses(
            hosts.endpoint, "", "8090", "tcp", "tcp:port", "tcp:1:interfaces=x", "ssl:1:privateKey=/none", "x:1"
        )

    def test_networks(self) -> None:
        self.assertEqual(str(hosts.network("10.0.0.0/8")), "10.0.0.0/8")
        self.assertEqual(str(hosts.network("192.0.2.1")), "192.0.2.1/32")
        self.refuses(hosts.network, "", "10.0.0.1/8", "10.0.0.0/33", "example.org", "10.*")
        self.refuses(hosts.network_around, "", "10.0.0.0/33", "example.org", "10.*", "10.0.0.1/-1")
        self.assertEqual(hosts.network_around("192.0.2.1"), hosts.network("192.0.2.1"))

    @given(st.ip_addresses(), st.integers(0, 32))
    def test_networks_around_an_address(self, address: IPv4Address | IPv6Address, length: int) -> None:
        read = hosts.network_around(f"{address}/{length}")
        found: Any = read.value if isinstance(read, Told) else read
        self.assertIn(address, found)
        self.assertEqual(found.prefixlen, length)
        self.assertEqual(isinstance(read, Told), str(found) != f"{address}/{length}")

    def test_user_ids(self) -> None:
        self.accepts(values.user_id, "@a:b", "@_mxisd_invite-expired:example.org:8448")
        self.refuses(values.user_id, "", "a:b", "@a", "@:b", "@a:b/c")

    def test_host_patterns(self) -> None:
        for text, pattern in (
            ("App.Example.org", "app.example.org"),
            ("app.example.org.", "app.example.org"),
            ("*.Example.org", ".example.org"),
            (".example.org", ".example.org"),
            ("*.bücher.example", ".xn--bcher-kva.example"),
            ("[::1]", "[::1]"),
            ("*", "*"),
        ):
            self.assertEqual(hosts.host_pattern(text), pattern)
        self.refuses(
            hosts.host_pattern,
            "",
            "*example.org",
            "a.*.org",
            "a.org:80",
            "https://a.org",
            "a.org/b",
            "*.",
        )

    def test_email_addresses(self) -> None:
        self.accepts(values.email_address, "Mxisd@Example.org", "mxisd@localhost")
        self.refuses(values.email_address, "", "mxisd", "a@b@c", "a@b\r\nTo: c@d", "<a@b> <c@d>", "Me <me>")
        read = values.email_address("Me <me@example.org>")
        self.assertEqual(read.value, "me@example.org")
