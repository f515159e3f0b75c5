"""What strangers wrote, as far as it is shown."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from mxisd.notify.messages import InviteMessage, values
from mxisd.notify.strangers import avatar, line, name, opaque, room_alias, room_id, url, url_at, user_id, word
from tests.notify.hostile import NAMES
from tests.notify.test_messages import INVITE, SITE


class StrangersTests(SynchronousTestCase):
    def test_names(self) -> None:
        for given, shown in (
            ("  Alice \t Liddell\r\n", "Alice Liddell"),
            ("Al\0ice", "Al ice"),
            ("\u202eecilA\u202c", "ecilA"),
            ("👩‍👩‍👧", "👩‍👩‍👧"),
            ("שלום", "שלום"),
            ("x" * 64, "x" * 64),
            ("x" * 65, "x" * 63 + "…"),
            ("x" * 62 + "\u200dyz", "x" * 62 + "…"),
            ("https://evil.example", ""),
            ("Win at WWW.evil.example", ""),
            ("see evil.example/login", ""),
            ("evil.example:8080/x", ""),
            ("evil.example?x", ""),
            ("evil\u200e.example/login", ""),
            ("evil.example／login", ""),
            ("ｗｗｗ.evil.example", ""),
            ("mailto:help@evil.example", ""),
            ("write to help@evil.example", ""),
            ("call tel:0900123", ""),
            ("ftp://evil.example", ""),
            ("matrix:/r/x", ""),
            ("www", "www"),
            ("Dr. A. Smith", "Dr. A. Smith"),
            ("Node.js", "Node.js"),
            ("AC/DC", "AC/DC"),
            ("9:30 stand-up", "9:30 stand-up"),
            ("Team: Bob & Ann", "Team: Bob & Ann"),
            ("example.org", "example.org"),
        ):
            self.assertEqual(name(given), shown)

    def test_whatever_it_is_it_is_short_and_on_one_line(self) -> None:
        for given in NAMES:
            self.assertLessEqual(len(name(given)), 64)
            self.assertLessEqual(len(line(given, 500)), 500)
            self.assertEqual(len(name(given).splitlines()), bool(name(given)))

    def test_links(self) -> None:
        for good in ("https://x.org/?a=b#c", "http://x"):
            self.assertEqual(url(good), good)
        for bad in (
            "mxc://x/y",
            "javascript:alert(1)",
            "data:text/html,x",
            "//x.org",
            "x.org",
            "https://x.org/a b",
            "https://x.org/\n",
            "https://[x",
            "https://x/" + 2000 * "y",
        ):
            self.assertEqual(url(bad), "")

    def test_links_of_a_domain(self) -> None:
        for good in ("https://example.org/app", "https://app.Example.org:8443", "http://a.b.example.org/#/x"):
            self.assertEqual(url_at(good, "example.org"), good)
        for bad in (
            "https://evil.example/",
            "https://notexample.org/",
            "https://example.org.evil.example/",
            "https://example.org@evil.example/",
            "https://evil.example\\@example.org/",
            "https://evil.example#@example.org",
            "javascript://example.org/%0aalert(1)",
            "mxc://example.org/x",
            "",
        ):
            self.assertEqual(url_at(bad, "example.org"), "", bad)

    def test_identifiers(self) -> None:
        for good in ("@alice:example.org", "@a.b_c=40d-e+f:example.org:8448", "@alice:[::1]"):
            self.assertEqual(user_id(good), good)
        text = "Your account is locked, call 0900 123"
        for made_to_be_read in (
            text,
            "evil.example/login",
            "www.evil.example",
            "x" * 65,
        ):
            self.assertEqual(user_id(f"@{made_to_be_read}:example.org"), "@…:example.org")
            self.assertEqual(room_id(f"!{made_to_be_read}:example.org"), "")
            self.assertEqual(room_alias(f"#{made_to_be_read}:example.org"), "")
        for none in (
            "alice",
            "@alice",
            "@https://evil.example:example.org",
            f"@alice:{text}",
            "@alice:evil.example/login",
            "",
        ):
            self.assertEqual(user_id(none), "")
        self.assertEqual(room_id("!room:example.org"), "!room:example.org")
        self.assertEqual(
            room_id("!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM"), "!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM"
        )
        self.assertEqual(room_id(f"!{text}"), "")
        self.assertEqual(room_id("!room:evil.example/login"), "")
        self.assertEqual(room_alias("#gärten:example.org"), "#gärten:example.org")
        for none in ("gardens:example.org", "#gardens", "#gardens:evil.example/login", "#:example.org", "##"):
            self.assertEqual(room_alias(none), "")

    def test_avatars_words_and_tokens(self) -> None:
        self.assertEqual(avatar("mxc://example.org/gardens"), "mxc://example.org/gardens")
        for bad in (
            "https://evil.example/pixel.gif",
            "mxc://",
            "mxc://x",
            "mxc://evil.example/login now",
            "mxc://x/a/b",
        ):
            self.assertEqual(avatar(bad), "")
        self.assertEqual(
            (word("m.space"), word("knock_restricted"), word("pay now"), word("")),
            ("m.space", "knock_restricted", "", ""),
        )
        self.assertEqual((opaque("syt_YWJj_x"), opaque("call 0900"), opaque("a/b")), ("syt_YWJj_x", "", ""))


class MessageTests(SynchronousTestCase):
    def test_no_field_of_a_stranger_carries_text(self) -> None:
        """Whatever a homeserver, or whoever poses as one, puts into the fields of an invite."""
        for bait in ("Your account is locked, call 0900 123", "evil.example/login", "https://evil.example/ pay now"):
            names = dict.fromkeys(FIELDS, bait)
            invite = replace(INVITE, sender=f"@{bait}:example.org", room_id=f"!{bait}", fields=names)
            message = InviteMessage(invite)
            found = values(message, SITE)
            for key, value in found.items():
                names_of_people = ("SENDER_NAME", "SENDER_DISPLAY", "SENDER_URL", "ROOM_NAME", "INVITED_TO")
                if (key == "SENDER" or key.startswith(names_of_people)) and "evil" not in bait:
                    continue  # a name may be any short text without a link
                self.assertNotIn("0900", value, key)
                self.assertNotIn("evil", value, key)


FIELDS = (
    "room_name",
    "room_alias",
    "room_avatar_url",
    "room_type",
    "room_join_rules",
    "sender_display_name",
    "sender_avatar_url",
    "org.matrix.web_client_location",
    "guest_access_token",
    "guest_user_id",
)
