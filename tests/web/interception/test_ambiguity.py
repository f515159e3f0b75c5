"""Whatever a client writes: what only staff may send does not reach the homeserver, however laxly that reads."""

import json
import posixpath
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.web.interception.app import InterceptionTestCase

INVITE_PATH = "/_matrix/client/v3/rooms/!room:example.org/invite"
CREATE_PATH = "/_matrix/client/v3/createRoom"
INVITE = {"medium": "email", "address": "bob@example.com"}
EVENT = "m.room.third_party_invite"

KEYS = ["medium", "address", "user_id", "invite_3pid", "initial_state", "type", "content", "Medium", "ADDREſS", "a\0"]
VALUES = [None, True, 0, -1, 1.5, 2**64, "", "email", "bob@example.com", "@bob:example.com", EVENT]


def spelt(value: object) -> st.SearchStrategy[str]:
    """A value in JSON: a string with its characters as they are, or all of them escaped."""
    if not isinstance(value, str):
        return st.just(json.dumps(value))
    escaped = "".join(f"\\u{unit:04x}" for unit in memoryview(value.encode("utf-16-le", "surrogatepass")).cast("H"))
    return st.sampled_from([json.dumps(value, ensure_ascii=False), f'"{escaped}"'])


def objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Objects, in which keys may be given twice."""
    keys = (st.sampled_from(KEYS) | st.text(max_size=2)).flatmap(spelt)
    members = st.tuples(keys, values).map(" : ".join)
    return st.lists(members, max_size=4).map(lambda members: "{" + ", ".join(members) + "}")


def lists(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, max_size=3).map(lambda items: f"[{','.join(items)}]")


anything = st.recursive(
    (st.sampled_from(VALUES) | st.text(max_size=2)).flatmap(spelt),
    lambda values: objects(values) | lists(values),
    max_leaves=10,
)
bodies = st.builds(
    lambda before, text, encoding, after: before + text.encode(encoding, "surrogatepass") + after,
    st.sampled_from([b"", b"", b"", b" \n", b"\0", b"//\n"]),
    objects(anything),
    st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"]),
    st.sampled_from([b"", b"", b"", b"\n", b"{}", b"\0"]),
)

Pairs = list[tuple[str, Any]]
Parser = Callable[[Pairs], dict[str, Any]]


def strict(pairs: Pairs) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key is given twice")
    return dict(pairs)


def first_wins(pairs: Pairs) -> dict[str, Any]:
    return dict(reversed(pairs))


def any_spelling(pairs: Pairs) -> dict[str, Any]:
    """Keys as Go or C may compare them."""
    return {key.casefold().partition("\0")[0].strip(): value for key, value in pairs}


def invites(path: str, body: dict[str, Any]) -> bool:
    """Whether a homeserver could find the invite of an address in a body."""
    if path == INVITE_PATH:
        return bool(INVITE.keys() & body.keys())
    state = body.get("initial_state")
    events = [event for event in state if isinstance(event, dict)] if isinstance(state, list) else []
    return bool(body.get("invite_3pid")) or any(
        event.get("type") == EVENT and event.get("content") != {} for event in events
    )


class BodyTests(InterceptionTestCase):
    @settings(max_examples=5 * settings().max_examples, deadline=None)
    @given(st.sampled_from([INVITE_PATH, CREATE_PATH]), bodies)
    def test_what_is_forwarded_is_one_thing_to_every_parser(self, path: str, body: bytes) -> None:
        self.homeserver.requests.clear()
        self.request("POST", path, body)
        for seen in self.homeserver.judged():
            read = json.loads(seen.body.decode(), object_pairs_hook=strict)
            self.assertEqual(read, json.loads(body))
            self.assertEqual(read, json.loads(seen.body, object_pairs_hook=first_wins))
            for parser in (strict, any_spelling):
                self.assertFalse(invites(path, json.loads(seen.body, object_pairs_hook=parser)))


GUARDED = [
    ("POST", f"{INVITE_PATH}"),
    ("PUT", f"{INVITE_PATH}/txn"),
    ("PUT", f"/_matrix/client/r0/rooms/!room:example.org/state/{EVENT}/key"),
    ("PUT", f"/_matrix/client/api/v1/rooms/!room:example.org/state/{EVENT}"),
    ("POST", f"/_matrix/client/unstable/rooms/!room:example.org/send/{EVENT}"),
]


MISSPELLINGS: list[Callable[[str], str]] = [
    lambda character: f"%{ord(character):02x}",
    lambda character: f"%{ord(character):02X}",
    lambda character: f"%25{ord(character):02x}",
    *(lambda character, odd=odd: odd + character for odd in ("/", "./", "../", "x/../", ";", "%2f", "..%2f", "%2e/")),
    *(lambda character, odd=odd: character + odd for odd in ("/", "/.", ";a=b", "%00", "#", "?", "\\", "%2f..", "/x")),
]


@st.composite
def misspelt(draw: st.DrawFn, path: str) -> str:
    """Another way to write a path, or what looks like it."""
    characters = list(path)
    for misspell in draw(st.lists(st.sampled_from(MISSPELLINGS), max_size=3)):
        at = draw(st.integers(0, len(path) - 1))
        characters[at] = misspell(path[at])
    return "".join(characters)


READERS: list[Callable[[str], str]] = [
    lambda path: path,
    unquote,
    lambda path: posixpath.normpath(unquote(path)),
    lambda path: unquote(path).partition("\0")[0],
    lambda path: re.sub(r";[^/]*", "", unquote(path)),
    lambda path: unquote(path.partition("#")[0]),
]
GUARDED_PATH = re.compile(
    r"^/_matrix/client/(api/v1|r0|v1|v3|unstable)/"
    r"(rooms/[^/]*/(invite|(state|send)/m\.room\.third_party_invite)|createRoom|(register|account/3pid)/[^/]*/requestToken)(/[^/]*)?$"
)


class PathTests(InterceptionTestCase):
    @settings(max_examples=10 * settings().max_examples, deadline=None)
    @given(st.sampled_from(GUARDED).flatmap(lambda way: st.tuples(st.just(way[0]), misspelt(way[1]))))
    def test_no_spelling_leads_past_the_policy(self, way: tuple[str, str]) -> None:
        self.homeserver.requests.clear()
        self.request(*way, INVITE)
        for seen in self.homeserver.judged():
            path = seen.uri.partition("?")[0]
            for reader in READERS:
                self.assertIsNone(GUARDED_PATH.match(reader(path)), seen.uri)
