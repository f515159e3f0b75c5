"""Which links may follow a validation, and where they lead."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mxisd.matrix.error import MatrixError
from mxisd.threepids.next_link import NextLinks

# For browsers, most of these lead to evil.example, whatever a simpler program reads in them.
TRICKS = (
    "https://good.example@evil.example/",
    "https://good.example:x@evil.example/",
    "https://good.example%40evil.example/",
    "https://good.example\\@evil.example/",
    "https://evil.example\\@good.example/",
    "https://evil.example\\.good.example/",
    "https:\\\\evil.example/",
    "https:/\\evil.example/",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example/",
    "//evil.example/",
    "\\\\evil.example",
    "/\\evil.example",
    "https:// evil.example/",
    "https://evil.example\t.good.example/",
    "https://ev\nil.example/",
    "ht\ttps://evil.example/",
    " https://evil.example/",
    "https://evil.example/ ",
    "https://evil.example/\r\nX: y",
    "https://evil.example/\x00",
    "https://evil.example/\u2028",
    "https://evil.example/\u202egood",
    "https://evil。example/",
    "https://evil．example/",
    "https://ｅvil.example/",
    "https://bücher.example/",
    "https://%65vil.example/",
    "https://evil.example;good.example/",
    "https://[::1/",
    "https://[good.example]/",
    "https://.good.example/",
    "https://evil..example/",
    "https://good.example..",
    "https://:443/",
    "https://",
    "https:",
    "javascript:alert(1)",
    "javascript://good.example/%0aalert(1)",
    "data:text/html,x",
    "ftp://good.example/",
    "file:///etc/passwd",
    "good.example",
    "",
)


class NextLinkTests(SynchronousTestCase):
    def refused(self, links: NextLinks, url: str) -> str:
        """What the client is told."""
        with self.assertRaises(MatrixError, msg=url) as raised:
            links.check(url)
        self.assertEqual((raised.exception.status, raised.exception.errcode), (400, "M_INVALID_PARAM"), url)
        return str(raised.exception.message)

    def test_hosts(self) -> None:
        for url, host in (
            ("https://app.example.org", "app.example.org"),
            ("http://App.Example.ORG:8080/a?b#c", "app.example.org"),
            ("HTTPS://app.example.org.?x=@evil.example", "app.example.org"),
            ("https://app.example.org/\\evil.example", "app.example.org"),
            ("https://app.example.org#@evil.example", "app.example.org"),
            ("https://app.example.org:/ü", "app.example.org"),
            ("https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
            ("http://localhost:3000/", "localhost"),
            ("http://[2001:DB8::1]:443/", "[2001:db8::1]"),
            ("http://2130706433/", "2130706433"),
        ):
            found = NextLinks(()).check(url)
            self.assertEqual((found.url, found.host), (url, host))

    def test_tricks(self) -> None:
        for links in (NextLinks(()), NextLinks(("good.example", ".good.example"))):
            for url in TRICKS:
                self.refused(links, url)

    def test_what_is_allowed(self) -> None:
        for allowed, good, bad in (
            ((), "https://any.example/", None),
            (("*",), "https://any.example/", None),
            (("good.example",), "https://GOOD.example.:8443/x", "https://app.good.example/"),
            (("good.example",), "http://good.example", "https://notgood.example/"),
            (("good.example",), "https://good.example/?evil.example", "https://good.example.evil.example/"),
            ((".good.example",), "https://a.b.good.example/", "https://good.example/"),
            ((".good.example",), "https://a.good.example/", "https://notgood.example/"),
            (("a.example", "b.example"), "https://b.example/", "https://evil.example/good.example"),
            (("127.0.0.1",), "http://127.0.0.1/", "http://2130706433/"),
            (("[::1]",), "http://[::1]:80/", "http://[0:0::1]/"),
        ):
            links = NextLinks(allowed)
            links.check(good)
            if bad is not None:
                self.refused(links, bad)

    def test_the_client_is_told_the_host(self) -> None:
        self.assertIn("evil.example", self.refused(NextLinks(("good.example",)), "https://Evil.example/secret"))

    @given(st.text(st.sampled_from("htps:/\\@.?#%[]evilgood \t"), max_size=30))
    def test_the_host_comes_right_after_the_slashes(self, rest: str) -> None:
        links = NextLinks(("good",))
        try:
            links.check("https:" + rest)
        except MatrixError:
            return
        self.assertRegex(rest, r"^//good\.?(:[0-9]*)?([/?#]|$)")
