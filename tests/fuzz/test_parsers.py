"""Texts from outside, whatever they are: each reader takes them or says what is wrong, in its own kind of error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import Struct
from twisted.trial.unittest import SynchronousTestCase

from mxisd.config import ConfigError, load
from mxisd.matrix import xmatrix
from mxisd.matrix.error import MatrixError
from mxisd.matrix.ids import InvalidIdentifier, server_of, split_server_name, split_user_id
from mxisd.matrix.threepid import InvalidAddress, email, phone
from mxisd.web.body import from_form, from_json, from_strings
from mxisd.web.client import STRANGER, _claimed


def mutated(*seeds: str) -> st.SearchStrategy[str]:
    """Texts like these, with something cut out, put in, or repeated; and any others."""

    def change(seed: str, start: int, length: int, new: str, times: int) -> str:
        start %= len(seed) + 1
        return seed[:start] + new * times + seed[start + length :]

    some = st.sampled_from(seeds)
    odd = st.text(max_size=5) | st.sampled_from(
        ["\0", "\r\n", " ", "%00", '"', "\\", "@", ":", ",", "=", "[", "]", "\u202e", "ſ"]
    )
    return st.builds(change, some, st.integers(0, 500), st.integers(0, 8), odd, st.integers(0, 50)) | st.text()


class Form(Struct):
    name: str
    number: int
    many: list[str] = []
    maybe: str | None = None


class ParserTests(SynchronousTestCase):
    @given(
        mutated('X-Matrix origin="example.org",key="ed25519:a",sig="' + "A" * 86 + '"', "x-matrix origin=a,key=b,sig=c")
    )
    def test_x_matrix(self, header: str) -> None:
        try:
            read = xmatrix.parse(header)
        except MatrixError as error:
            self.assertEqual(error.status, 401)
        else:
            split_server_name(read.origin)

    @given(mutated("example.org", "example.org:8448", "[2001:db8::1]:80", "192.0.2.1", "xn--bcher-kva.example"))
    def test_server_names(self, name: str) -> None:
        try:
            host, port = split_server_name(name)
        except InvalidIdentifier:
            return
        self.assertTrue(host and host.isascii())
        self.assertTrue(port is None or 0 < port < 65536)
        self.assertFalse(set(name) & set("/?#@ \\"))

    @given(mutated("@alice:example.org", "@a.b-c=d/e_f:example.org:8448", "@é:example.org"))
    def test_user_ids(self, user_id: str) -> None:
        try:
            localpart, server = split_user_id(user_id)
        except InvalidIdentifier:
            return
        self.assertEqual((f"@{localpart}:{server}", server_of(user_id)), (user_id, server))

    @given(mutated("alice@example.org", "Jane.Doe+x@Bücher.example", '"a b"@example.org', "用户@例子.广告"))
    def test_email(self, text: str) -> None:
        try:
            read = email(text)
        except InvalidAddress:
            return
        self.assertEqual(email(read.address), read)
        self.assertEqual(read.address.count("@"), 1)
        self.assertFalse(set(read.address) & set("\r\n\0, <>"))

    @given(
        mutated("+49 151 23456789", "0151/234 567 89", "tel:+1-212-555-1234", "(0)20 7946 0958"),
        st.sampled_from(["DE", "US", "", "xx", None]),
    )
    def test_phone(self, text: str, country: str | None) -> None:
        try:
            read = phone(text, country)
        except InvalidAddress:
            return
        self.assertTrue(read.address.isascii() and read.address.isdecimal())
        self.assertEqual(phone(f"+{read.address}"), read)

    @given(mutated("192.0.2.1", "[2001:db8::1]:80", 'for="[::1]:80";proto=http', "::ffff:192.0.2.1", "unknown"))
    def test_x_forwarded_for(self, claim: str) -> None:
        read = _claimed(claim)
        self.assertTrue(read == STRANGER or set(read) <= set("0123456789abcdef.:"))

    @given(mutated("name=a&number=1&many=x&many=y", "name=%C3%A9&number=%31", "name=&number=-1.0&maybe=null"))
    def test_forms(self, text: str) -> None:
        self.reads(lambda: from_form(text.encode("utf-8", "replace"), Form))
        self.reads(lambda: from_strings({"name": text, "number": text}, Form))

    @given(
        st.binary()
        | mutated('{"name": "a", "number": 1}', '{"name": "a", "number": 1e400, "many": [{}]}').map(str.encode)
    )
    def test_json(self, body: bytes) -> None:
        self.reads(lambda: from_json(body, Form))

    def reads(self, read: Callable[[], Form]) -> None:
        try:
            found = read()
        except MatrixError as error:
            self.assertEqual(error.status, 400)
        else:
            self.assertIsInstance(found.name, str)
            self.assertIsInstance(found.number, int)

    @given(
        mutated(
            "matrix: {domain: example.org}\nserver: {port: 8090}\n",
            "matrix:\n  domain: ${NAME}\nldap: [{enabled: true}]\n",
        )
    )
    def test_yaml(self, text: str) -> None:
        assume(all(not "\ud800" <= character <= "\udfff" for character in text))
        with TemporaryDirectory() as folder:
            path = Path(folder) / "mxisd.yaml"
            path.write_text(text, encoding="utf-8")
            try:
                load(path, {"NAME": "example.org"})
            except ConfigError as error:
                self.assertTrue(error.problems)
