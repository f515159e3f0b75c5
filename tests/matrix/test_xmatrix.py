import string
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from signedjson.key import generate_signing_key
from twisted.trial.unittest import SynchronousTestCase

from mxisd.matrix.error import MatrixError
from mxisd.matrix.signing import Signer
from mxisd.matrix.xmatrix import XMatrix, authenticate, parse
from tests.make import result

SIGNATURE = "A" * 86
PLAIN = f'X-Matrix origin="o.example",destination="d.example:1",key="ed25519:k",sig="{SIGNATURE}"'
PARSED = XMatrix("o.example", "d.example:1", "ed25519:k", SIGNATURE)

TOKEN = string.ascii_letters + string.digits + "!#$%&'*+.^_`|~-"
SPACE = st.text(" \t", max_size=3)


@st.composite
def spelled(draw: st.DrawFn, name: str, value: str) -> str:
    """A parameter in one of its many spellings."""
    name = "".join(draw(st.sampled_from((letter.lower(), letter.upper()))) for letter in name)
    if value and all(letter in TOKEN + ":" for letter in value) and draw(st.booleans()):
        text = value
    else:
        escaped = ("\\" + letter if letter in '\\"' or draw(st.booleans()) else letter for letter in value)
        text = f'"{"".join(escaped)}"'
    return f"{name}{draw(SPACE)}={draw(SPACE)}{text}"


@st.composite
def headers(draw: st.DrawFn) -> str:
    """The same header, as any sender may write it."""
    parameters = {
        "origin": PARSED.origin,
        "destination": PARSED.destination or "",
        "key": PARSED.key_id,
        "sig": PARSED.signature,
        "x-unknown": draw(st.text(TOKEN + ' ,="\\', max_size=9)),
    }
    parts = [draw(spelled(name, value)) for name, value in draw(st.permutations(list(parameters.items())))]
    header = draw(st.sampled_from(("X-Matrix", "x-matrix", "X-MATRIX"))) + " " * draw(st.integers(1, 4))
    for part in parts:
        header += part + draw(SPACE) + "," * draw(st.integers(1, 2)) + draw(SPACE)
    return header if draw(st.booleans()) else header.rstrip(", \t")


class ParseTests(SynchronousTestCase):
    def test_plain(self) -> None:
        self.assertEqual(parse(PLAIN), PARSED)

    def test_without_destination(self) -> None:
        self.assertIsNone(parse(PLAIN.replace('destination="d.example:1",', "")).destination)

    def test_unquoted_as_older_servers_send(self) -> None:
        header = f"X-Matrix origin=o.example:8448,key=ed25519:k,sig={SIGNATURE}"
        self.assertEqual(parse(header), XMatrix("o.example:8448", None, "ed25519:k", SIGNATURE))

    def test_signatures_in_any_base64(self) -> None:
        for spelling in ("/+" * 43, "_-" * 43, "/+" * 43 + "=="):
            self.assertEqual(parse(PLAIN.replace(SIGNATURE, spelling)).signature, "/+" * 42 + "/w")

    @given(headers())
    def test_every_spelling(self, header: str) -> None:
        self.assertEqual(parse(header), PARSED)

    def test_ill_formed(self) -> None:
        for header in (
            "",
            "X-Matrix",
            "X-Matrix ",
            "Bearer token",
            "X-Matrixorigin=a",
            PLAIN.replace("X-Matrix ", "X-Matrix\t"),
            PLAIN.replace('",', '" '),
            PLAIN.replace('",', '";'),
            PLAIN[:-1],
            PLAIN + "\n",
            PLAIN + ",x",
            PLAIN + ",=y",
            PLAIN + ',x="\0"',
            PLAIN + ',x="y\\"',
            PLAIN + ',origin="other.example"',
            PLAIN + ',ORIGIN="o.example"',
            PLAIN.replace('"o.example"', '""'),
            PLAIN.replace("o.example", "https://o.example"),
            PLAIN.replace("o.example", "o.example/path"),
            PLAIN.replace("o.example", "user@o.example"),
            PLAIN.replace("o.example", "o.example:0"),
            PLAIN.replace("ed25519:k", "rsa:k"),
            PLAIN.replace("ed25519:k", "k"),
            PLAIN.replace(SIGNATURE, SIGNATURE[:-2]),
            PLAIN.replace(SIGNATURE, SIGNATURE + "AA"),
            PLAIN.replace(SIGNATURE, "é" * 86),
            PLAIN.replace("origin=", "from="),
            PLAIN.replace("key=", "k="),
            PLAIN.replace("sig=", "s="),
        ):
            error = self.assertRaises(MatrixError, parse, header)
            self.assertEqual((error.status, error.errcode), (401, "M_UNAUTHORIZED"), header)

    @given(st.text())
    def test_any_text_is_parsed_or_refused(self, text: str) -> None:
        for header in (text, "X-Matrix " + text, PLAIN + "," + text):
            try:
                parse(header)
            except MatrixError as error:
                self.assertEqual(error.status, 401)


class Keys:
    """What homeservers publish, by server name and key ID."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.asked: list[tuple[str, str]] = []

    async def verify_keys(self, server_name: str, key_id: str) -> str:
        self.asked.append((server_name, key_id))
        key = self.signer.public_key(key_id)
        if server_name != self.signer.server_name or key is None:
            raise MatrixError(403, "M_FORBIDDEN", "no such key")
        return key


class AuthenticateTests(SynchronousTestCase):
    URI = "/_matrix/identity/v2/3pid/unbind?a=%20b"
    CONTENT: Mapping[str, Any] = {"mxid": "@a:hs.example", "threepid": {"medium": "email", "address": "ä@b.example"}}

    def setUp(self) -> None:
        self.signer = Signer("hs.example", [generate_signing_key("k")])
        self.keys = Keys(self.signer)

    def header(self, shown_destination: str | None = "is.example", **signed: object) -> str:
        """What a homeserver sends that signs these fields besides method, URI, origin and content."""
        request = {"method": "POST", "uri": self.URI, "origin": "hs.example", "content": self.CONTENT, **signed}
        signatures: Any = self.signer.sign({k: v for k, v in request.items() if v is not None})["signatures"]
        shown = "" if shown_destination is None else f'destination="{shown_destination}",'
        return f'X-Matrix origin="hs.example",{shown}key="ed25519:k",sig="{signatures["hs.example"]["ed25519:k"]}"'

    def check(self, header: str, content: object = CONTENT, method: str = "POST", uri: str = URI) -> None:
        names = ["is.example", "is.example:4443"]
        check = authenticate(self.keys, header, method, uri, content, "hs.example", names)
        result(check)

    def refused(self, status: int, header: str, **request: Any) -> None:
        work = authenticate(
            self.keys,
            header,
            request.get("method", "POST"),
            request.get("uri", self.URI),
            request.get("content", self.CONTENT),
            request.get("origin", "hs.example"),
            ["is.example", "is.example:4443"],
        )
        error = self.assertRaises(MatrixError, result, work)
        self.assertEqual(error.status, status, error)
        self.assertEqual(error.errcode, {401: "M_UNAUTHORIZED", 403: "M_FORBIDDEN"}[status])

    def test_all_forms_of_the_destination(self) -> None:
        for header in (
            self.header(destination_is="is.example"),
            self.header("is.example:4443", destination_is="is.example:4443"),
            self.header("IS.Example", destination_is="IS.Example"),
            self.header(None, destination_is="is.example:4443"),
            self.header(destination="is.example"),
            self.header(None, destination="is.example"),
            self.header(None),
            self.header(),
        ):
            self.check(header)

    def test_without_a_body(self) -> None:
        self.check(self.header(content=None, method="GET"), None, "GET")

    def test_for_another_server(self) -> None:
        self.refused(401, self.header("other.example", destination_is="other.example"))
        self.refused(401, self.header("is.example:1", destination_is="is.example:1"))
        self.refused(401, self.header("xis.example", destination_is="xis.example"))
        self.assertEqual(self.keys.asked, [])
        self.refused(403, self.header("is.example", destination_is="other.example"))
        self.refused(403, self.header(None, destination_is="other.example"))

    def test_nothing_is_asked_of_a_server_that_it_cannot_be_from(self) -> None:
        header = self.header(destination_is="is.example")
        for origin in ("other.example", "hs.example:8448", "127.0.0.1:22", "10.0.0.1"):
            self.refused(403, header, origin=origin)
            self.refused(403, header.replace('origin="hs.example"', f'origin="{origin}"'))
        self.assertEqual(self.keys.asked, [])

    def test_for_another_request(self) -> None:
        header = self.header(destination_is="is.example")
        self.refused(403, header, method="PUT")
        self.refused(403, header, uri="/_matrix/identity/v2/3pid/unbind")
        self.refused(403, header, uri=self.URI.replace("%20", "+"))
        contents: list[object] = [None, {}, [], 1, {**self.CONTENT, "more": 1}, {"mxid": 1.5}, {"mxid": "\ud800"}]
        for content in contents:
            self.refused(403, header, content=content)

    def test_keys_of_others(self) -> None:
        header = self.header(destination_is="is.example")
        self.refused(403, header.replace("ed25519:k", "ed25519:other"))
        self.refused(403, header.replace("hs.example", "other.example"))
        forger = Signer("hs.example", [generate_signing_key("k")])
        self.signer, published = forger, self.signer
        self.refused(403, self.header(destination_is="is.example"))
        self.assertIs(self.keys.signer, published)

    def test_ill_formed(self) -> None:
        for header in ("", "Bearer x", "X-Matrix", 'X-Matrix origin="hs.example"'):
            self.refused(401, header)
        self.assertEqual(self.keys.asked, [])
