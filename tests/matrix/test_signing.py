from hypothesis import given
from hypothesis import strategies as st
from signedjson.key import decode_signing_key_base64
from twisted.trial.unittest import SynchronousTestCase
from unpaddedbase64 import encode_base64

from mxisd.matrix.signing import (
    Signer,
    ephemeral_key,
    normal_base64,
    sign_with_private,
    verify,
)

# The key and the signatures of the specification's test vectors (appendices, "Cryptographic Test Vectors").
SEED = "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"
PUBLIC = "XGX0JRS2Af3be3knz2fBiRbApjm2Dh61gXDJA8kcJNI"
EMPTY_SIGNATURE = "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"
SIGNATURE = "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw"


def signer() -> Signer:
    return Signer("domain", [decode_signing_key_base64("ed25519", "1", SEED)])


class SignerTests(SynchronousTestCase):
    def test_specification_vectors(self) -> None:
        self.assertEqual(signer().sign({})["signatures"], {"domain": {"ed25519:1": EMPTY_SIGNATURE}})
        self.assertEqual(
            signer().sign({"one": 1, "two": "Two"}),
            {"one": 1, "two": "Two", "signatures": {"domain": {"ed25519:1": SIGNATURE}}},
        )

    def test_the_key_that_is_asked_for_while_it_is_ours(self) -> None:
        newer = decode_signing_key_base64("ed25519", "2", encode_base64(bytes(32)))
        ours = Signer("domain", [newer, *signer().keys])
        self.assertEqual(ours.sign({}, "ed25519:1")["signatures"], {"domain": {"ed25519:1": EMPTY_SIGNATURE}})
        for gone in ("ed25519:3", None):
            self.assertEqual(list(ours.sign({}, gone)["signatures"]["domain"]), ["ed25519:2"])  # type: ignore[index]

    def test_leaves_its_argument_alone(self) -> None:
        content: dict[str, object] = {"mxid": "@a:b", "signatures": {"domain": {"ed25519:9": "x"}}}
        signed = signer().sign(content)
        self.assertEqual(content, {"mxid": "@a:b", "signatures": {"domain": {"ed25519:9": "x"}}})
        self.assertEqual(signed["signatures"]["domain"].keys(), {"ed25519:9", "ed25519:1"})  # type: ignore[index]

    def test_refuses_what_canonical_json_cannot_hold(self) -> None:
        deep: list[object] = []
        for _ in range(5000):
            deep = [deep]
        for value in (1.5, [1.0], {"a": {"b": float("nan")}}, {1: "a"}, 2**53, b"bytes", deep, "\ud800"):
            self.assertRaises(ValueError, signer().sign, {"value": value})
        self.assertRaises(ValueError, signer().sign, {"signatures": "none"})

    def test_knows_its_keys_in_any_spelling(self) -> None:
        self.assertEqual(signer().key_id, "ed25519:1")
        self.assertEqual(signer().public_key("ed25519:1"), PUBLIC)
        self.assertIsNone(signer().public_key("ed25519:0"))
        bytes_with_both = bytes([0xFB, 0xEF, 0xFF]) * 10 + b"ab"
        key = decode_signing_key_base64("ed25519", "0", encode_base64(bytes_with_both))
        ours = Signer("domain", [key])
        public = ours.public_key("ed25519:0")
        assert public is not None
        url_safe = public.replace("+", "-").replace("/", "_")
        for spelling in (public, url_safe, public + "=", url_safe + "=", public.replace("+", " ")):
            self.assertTrue(ours.knows(spelling), spelling)
        for other in (PUBLIC, "", "=", "ä", public[:-1], public + "A", "%%"):
            self.assertFalse(ours.knows(other), other)


class VerifyTests(SynchronousTestCase):
    def test_own_signature(self) -> None:
        signed = signer().sign({"one": 1, "unsigned": {"age": 4}})
        self.assertTrue(verify(signed, "domain", "ed25519:1", PUBLIC))
        self.assertTrue(verify({**signed, "unsigned": {}}, "domain", "ed25519:1", PUBLIC))
        self.assertFalse(verify({**signed, "one": 2}, "domain", "ed25519:1", PUBLIC))
        self.assertFalse(verify(signed, "other", "ed25519:1", PUBLIC))
        self.assertFalse(verify(signed, "domain", "ed25519:2", PUBLIC))
        self.assertFalse(verify(signed, "domain", "rsa:1", PUBLIC))
        self.assertFalse(verify(signed, "domain", "ed25519:1", PUBLIC[:-2]))

    def test_ill_formed(self) -> None:
        shapes: tuple[object, ...] = (None, 1, [], "", {"domain": None}, {"domain": []}, {"domain": {"ed25519:1": 3}})
        for signatures in shapes:
            self.assertFalse(verify({"signatures": signatures}, "domain", "ed25519:1", PUBLIC))
        self.assertFalse(verify({}, "domain", "ed25519:1", PUBLIC))
        self.assertFalse(verify(signer().sign({}) | {"float": 1.0}, "domain", "ed25519:1", PUBLIC))


class EphemeralKeyTests(SynchronousTestCase):
    def test_signs_for_its_public_key(self) -> None:
        private, public = ephemeral_key(lambda count: bytes(range(count)))
        signed = sign_with_private(private, "is.example", {"token": "t"})
        self.assertTrue(verify(signed, "is.example", "ed25519:0", public))

    def test_other_than_32_bytes(self) -> None:
        for count in (1, 31, 33, 64):
            key = encode_base64(b"x" * count)
            self.assertRaises(ValueError, sign_with_private, key, "is.example", {})
        for key in ("", "é", "a key", "====", SEED[:-1] + "!", "\n"):
            self.assertRaises(ValueError, sign_with_private, key, "is.example", {})


class Base64Tests(SynchronousTestCase):
    @given(st.binary(min_size=1))
    def test_every_spelling_has_one_form(self, data: bytes) -> None:
        plain = encode_base64(data)
        for spelling in (plain, plain + "==", encode_base64(data, urlsafe=True), plain.replace("+", " ")):
            self.assertEqual(normal_base64(spelling), plain)

    @given(st.text())
    def test_any_text_is_one_form_or_refused(self, text: str) -> None:
        try:
            form = normal_base64(text)
        except ValueError:
            return
        self.assertEqual(normal_base64(form), form)
