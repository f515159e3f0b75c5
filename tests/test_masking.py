"""Secrets in URLs reach no message."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mxisd.masking import Secret, masked, masked_url

SHOWN = [
    # the text, what is shown of it, and of the same as a secret
    ("https://sms.example/send", "https://sms.example/send", "https://sms.example/…"),
    ("https://sms.example", "https://sms.example", "https://sms.example"),
    ("https://sms.example/", "https://sms.example/", "https://sms.example"),
    ("http://[2001:db8::7]:8080/a?key=PW", "http://[2001:db8::7]:8080/a?…", "http://[2001:db8::7]:8080/…"),
    ("https://müller.example/ä?PW", "https://müller.example/ä?…", "https://müller.example/…"),
    ("https://me:PW@sms.example/send?key=PW#PW", "https://…@sms.example/send?…", "https://…@sms.example/…"),
    ("https://PW@sms.example", "https://…@sms.example", "https://…@sms.example"),
    ("https://me@home:PW@sms.example/x", "https://…@sms.example/x", "https://…@sms.example/…"),
    ("https://sms.example?key=PW", "https://sms.example?…", "https://sms.example/…"),
    ("https://sms.example/#PW", "https://sms.example/#…", "https://sms.example/…"),
    ("https://sms.example/a;key=PW", "https://sms.example/a;…", "https://sms.example/…"),
    ("https://sms.example:81/a?to=a@b.c&key=PW", "https://sms.example:81/a?…", "https://sms.example:81/…"),
    # a password with what ends an authority in it
    ("https://me:PW/PW@sms.example/", "https://…", "https://…"),
    ("https://me:PW?PW@sms.example/", "https://…", "https://…"),
    ("https://me:PW#PW@sms.example/", "https://…", "https://…"),
    ("https://me:12/PW@sms.example/", "https://…", "https://…"),
    ("https://me:12?PW@sms.example/", "https://…", "https://…"),
    ("https:///me:PW@sms.example/", "https://…", "https://…"),
    ("https://me:PW PW@sms.example/", "https://…@sms.example/", "https://…@sms.example"),
    # other schemes, and none
    ("redis://:PW@localhost:6379/0", "redis://…@localhost:6379/0", "redis://…@localhost:6379/…"),
    ("jdbc:postgresql://db/mxisd?user=me&password=PW", "jdbc:postgresql://db/mxisd?…", "jdbc:postgresql://db/…"),
    ("jdbc:sqlserver://db;user=me;password=PW", "jdbc:sqlserver://…", "jdbc:sqlserver://…"),
    ("//db/mxisd?user=me&password=PW", "//db/mxisd?…", "//db/…"),
    # more than one
    ("https://a.example/x https://me:PW@b.example/", "https://a.example/x…", "https://a.example/…"),
    ("see me:PW@a.example//b", "…//b", "…//b"),
]
NO_URLS = ["plain", "anna@example.org", "^[a-z]+$", "/etc/mxisd/key", "tcp:8090:interface=127.0.0.1", ""]
MEANT_AS_URLS = [
    ("me:PW@sms.example/send", "…@sms.example/send"),
    ("sms.example/send?key=PW", "sms.example/send?…"),
    ("https:me:PW@sms.example", "…@sms.example"),
    ("https:/me:PW@sms.example", "…"),
    ("https:/sms.example", "https:/sms.example"),
    ("sms.example", "sms.example"),
]


class MaskingTests(SynchronousTestCase):
    def test_urls(self) -> None:
        for text, shown, of_a_secret in SHOWN:
            self.assertEqual((masked(text), masked(Secret(text))), (shown, of_a_secret), text)
            self.assertEqual(masked_url(text), shown, text)
            self.assertNotIn("PW", shown + of_a_secret)

    def test_other_texts_are_shown_unless_they_are_secret(self) -> None:
        for text in NO_URLS:
            self.assertEqual((masked(text), masked(Secret(text))), (text, "…"))

    def test_what_was_meant_to_be_a_url(self) -> None:
        for text, shown in MEANT_AS_URLS:
            self.assertEqual(masked_url(text), shown)

    @given(st.text("ab1:/?#@\\;& %", max_size=12), st.sampled_from(["/x", "", "?a=b", "/@x", "/a?b@c"]))
    def test_no_password_is_shown(self, beginning: str, after: str) -> None:
        """Whatever is in it: it is what stands before the last ``@`` in front of the host."""
        for text in (f"https://me:{beginning}PW@sms.example{after}", f"https://sms.example/x?{beginning}PW{after}"):
            self.assertNotIn("PW", masked(text))
