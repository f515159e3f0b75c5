"""``pubkey``."""

from __future__ import annotations

from urllib.parse import quote

from tests.web.app import V1, V2, AppTestCase


class KeyTests(AppTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.public_key = self.app.signer.public_key("ed25519:0") or ""

    def is_valid(self, key: str, kind: str = "", path: str = V2) -> bool:
        answer = self.get(f"{path}/pubkey{kind}/isvalid", query={"public_key": key})
        self.assertEqual(answer.status, 200)
        return bool(answer.json["valid"])

    def test_by_id(self) -> None:
        for path in (V1, V2):
            for key_id in ("ed25519:0", "ed25519%3A0", "ed25519%3a0"):
                self.assertEqual(self.get(f"{path}/pubkey/{key_id}").json, {"public_key": self.public_key})
            for key_id in ("ed25519:1", "curve25519:0", "0", "ed25519", "ed25519:", "%ff", "ed25519:0%2Fx"):
                self.assert_error(self.get(f"{path}/pubkey/{key_id}"), 404, "M_NOT_FOUND")

    def test_long_term_key(self) -> None:
        self.assertIn("/", self.public_key, "a key that tells the alphabets apart")
        url_safe = self.public_key.replace("+", "-").replace("/", "_")
        for path in (V1, V2):
            for key in (self.public_key, url_safe, self.public_key + "="):
                self.assertTrue(self.is_valid(key, path=path))
            for key in ("", "x", "not base64!", self.public_key[:-1], "A" * 43):
                self.assertFalse(self.is_valid(key, path=path))
        # As some clients write it, with a + that is not encoded.
        answer = self.get(f"{V2}/pubkey/isvalid?public_key={quote(self.public_key, safe='+')}")
        self.assertTrue(answer.json["valid"])

    def test_ephemeral_key(self) -> None:
        keys = [key["public_key"] for key in self.invite().json["public_keys"]]
        for path in (V1, V2):
            self.assertTrue(self.is_valid(keys[1], "/ephemeral", path))
            self.assertTrue(self.is_valid(keys[1].replace("+", "-").replace("/", "_"), "/ephemeral", path))
            self.assertFalse(self.is_valid(keys[0], "/ephemeral", path))
            self.assertFalse(self.is_valid(keys[1], "", path))
            self.assertFalse(self.is_valid("nonsense", "/ephemeral", path))

    def test_parameter_is_required(self) -> None:
        for kind in ("", "/ephemeral"):
            self.assert_error(self.get(f"{V2}/pubkey{kind}/isvalid"), 400, "M_MISSING_PARAMS")
