"""The keys of older servers: their folder, their single line, and what is made where they left nothing."""

from __future__ import annotations

import json
import stat
from base64 import b64encode
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from signedjson.types import SigningKey
from twisted.trial.unittest import SynchronousTestCase

from mxisd.keys.file import KeyFileError, load_for_check, load_or_create
from mxisd.keys.folder import ephemeral_keys
from mxisd.matrix.signing import Signer, id_of, public_key_of
from tests.migrate.old_servers import OldServer

SEEDS = [b64encode(bytes([number]) * 32).decode() for number in range(5)]


def names(keys: list[SigningKey]) -> list[str]:
    return [id_of(key) for key in keys]


class OldFolderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.path = self.folder / "keys"

    def key(self, serial: str, content: object, kind: str = "regular") -> Path:
        path = self.path / kind / "ed25519" / serial
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def current(self, content: object) -> None:
        self.path.mkdir(exist_ok=True)
        (self.path / "current").write_text(content if isinstance(content, str) else json.dumps(content))

    def test_what_real_servers_left(self) -> None:
        for name in ("mxisd-sqlite", "ma1sd-sqlite", "ma1sd-postgresql", "mxisd-single-key"):
            server = OldServer(name, self.folder)
            before = server.contents()
            keys = load_or_create(server.keys)
            self.assertEqual(load_for_check(server.keys), keys)
            ours = Signer("matrix.example.org", keys)
            self.assertEqual(
                (ours.key_id, ours.public_key(ours.key_id)), (server.facts["key_id"], server.facts["public_key"])
            )
            self.assertTrue(ours.knows(server.facts["public_key"]))
            self.assertEqual(server.contents(), before)
            for invite in server.facts.get("invites", []):
                if "private_key" in invite:
                    public = public_key_of(invite["private_key"])
                    self.assertEqual(ephemeral_keys(server.keys)[public], invite["private_key"])

    def test_either_spelling_of_valid_padded_or_not(self) -> None:
        for serial, content in (
            ("unpadded", {"version": "0", "is_valid": True, "key": SEEDS[0].rstrip("=")}),
            ("padded", {"version": "0", "isValid": True, "key": SEEDS[1]}),
            ("url-safe", {"key": SEEDS[2].replace("+", "-").replace("/", "_")}),
            ("later", {"version": "0", "isValid": True, "key": SEEDS[3], "more": {"of": []}}),
            ("revoked", {"version": "0", "isValid": False, "key": SEEDS[4]}),
            ("revoked-too", {"version": "0", "is_valid": False, "key": SEEDS[4]}),
            (".hidden", "garbage"),
        ):
            self.key(serial, content)
        self.current({"type": "Regular", "algo": "ed25519", "serial": "padded"})
        (self.path / "regular" / "rsa").mkdir()
        keys = names(load_or_create(self.path))
        self.assertEqual(keys[0], "ed25519:padded")
        self.assertEqual(set(keys[1:]), {"ed25519:unpadded", "ed25519:url-safe", "ed25519:later"})

    def test_the_key_that_is_named_signs_though_it_was_revoked(self) -> None:
        self.key("a", {"is_valid": False, "key": SEEDS[0]})
        self.key("b", {"is_valid": True, "key": SEEDS[1]})
        self.current({"type": "Regular", "algo": "ed25519", "serial": "a"})
        self.assertEqual(names(load_or_create(self.path)), ["ed25519:a", "ed25519:b"])

    def test_without_a_word_on_it_a_valid_key_signs(self) -> None:
        self.key("a", {"is_valid": False, "key": SEEDS[0]})
        self.key("b", {"is_valid": True, "key": SEEDS[1]})
        self.assertEqual(names(load_or_create(self.path)), ["ed25519:b"])

    def test_what_is_broken_is_named_and_not_shown(self) -> None:
        good = {"type": "Regular", "algo": "ed25519", "serial": "a"}
        for content, current in (
            (f"{SEEDS[0]}", good),
            ({"key": SEEDS[0][:-4]}, good),
            ({"key": ["no"]}, good),
            ({"key": SEEDS[0]}, {**good, "serial": "absent"}),
            ({"key": SEEDS[0]}, {**good, "type": "Ephemeral"}),
            ({"key": SEEDS[0]}, {**good, "algo": "rsa"}),
            ({"key": SEEDS[0]}, "{}"),
            ({"key": SEEDS[0]}, ""),
        ):
            self.key("a", content)
            self.current(current)
            for load in (load_or_create, load_for_check):
                error = str(self.assertRaises(KeyFileError, load, self.path))
                self.assertIn(str(self.path), error)
                self.assertNotIn(SEEDS[0][:20], error)

    def test_an_empty_folder_gets_a_key_beside_it(self) -> None:
        self.path.mkdir()
        (self.path / "lost+found").mkdir()
        self.assertEqual(names(load_for_check(self.path)), ["ed25519:0"])
        self.assertEqual([path.name for path in self.folder.iterdir()], ["keys"])
        keys = load_or_create(self.path)
        self.assertEqual(load_or_create(self.path), keys)
        self.assertEqual([path.name for path in self.path.iterdir()], ["lost+found"])
        beside = self.folder / "keys.signing.key"
        self.assertEqual(stat.S_IMODE(beside.stat().st_mode), 0o600)
        # From then on it may be named itself, or the folder may go.
        self.assertEqual(load_or_create(beside), keys)
        (self.path / "lost+found").rmdir()
        self.path.rmdir()
        self.assertEqual(load_or_create(self.path), keys)
        self.assertFalse(self.path.exists())

    def test_a_key_in_the_file_beside_it_signs_and_the_old_ones_stay_published(self) -> None:
        server = OldServer("mxisd-sqlite", self.folder)
        (server.folder / "keys.signing.key").write_text(f"ed25519 new {SEEDS[1].rstrip('=')}\n")
        self.assertEqual(names(load_or_create(server.keys)), ["ed25519:new", server.facts["key_id"]])
        (server.folder / "keys.signing.key").write_text(f"ed25519 AAAAOhD51mcC {SEEDS[1].rstrip('=')}\n")
        self.assertRaisesRegex(KeyFileError, "holds two keys ed25519:AAAAOhD51mcC", load_or_create, server.keys)

    def test_a_folder_of_something_else_is_refused(self) -> None:
        (self.folder / "mail.txt").write_text("")
        for load in (load_or_create, load_for_check):
            error = self.assertRaises(KeyFileError, load, self.folder)
            self.assertIn("is a folder without keys of mxisd", str(error))

    def test_an_empty_file_gets_a_key_and_keeps_its_mode(self) -> None:
        for content in ("", "\n", " \n\n"):
            self.path.write_text(content)
            self.path.chmod(0o640)
            self.assertEqual(names(load_for_check(self.path)), ["ed25519:0"])
            self.assertEqual(self.path.read_text(), content)
            keys = load_or_create(self.path)
            self.assertEqual(load_or_create(self.path), keys)
            self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o640)

    def test_missing_folders_are_made(self) -> None:
        path = self.folder / "a" / "b" / "key"
        load_for_check(path)
        self.assertFalse((self.folder / "a").exists())
        keys = load_or_create(path)
        self.assertEqual(load_or_create(path), keys)
        self.assertEqual(stat.S_IMODE(path.parent.stat().st_mode), 0o700)

    @given(st.binary(min_size=32, max_size=32), st.sampled_from(["", "\n", "\r\n", "  \n"]), st.booleans())
    def test_a_single_line_is_key_0(self, seed: bytes, end: str, padded: bool) -> None:
        text = b64encode(seed).decode()
        self.path.write_text((text if padded else text.rstrip("=")) + end)
        (key,) = load_or_create(self.path)
        self.assertEqual((id_of(key), key.encode()), ("ed25519:0", seed))
