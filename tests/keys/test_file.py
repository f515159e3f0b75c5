import os
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from mxisd.keys.file import KeyFileError, load_for_check, load_or_create, new_keys
from mxisd.matrix.signing import Signer
from tests.matrix.test_signing import PUBLIC, SEED


class KeyFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def test_made_once_and_readable_by_its_owner_only(self) -> None:
        [made] = load_or_create(self.path)
        [read] = load_or_create(self.path)
        self.assertEqual(made.encode(), read.encode())
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual([p.name for p in self.path.parent.iterdir() if self.path.name in p.name], [self.path.name])

    def test_reads_what_synapse_and_sydent_write(self) -> None:
        self.path.write_text(f"ed25519 a_key {SEED}\n\ned25519 0 {SEED}\n")
        self.assertEqual([key.version for key in load_or_create(self.path)], ["a_key", "0"])

    def test_a_file_that_appears_meanwhile_is_kept(self) -> None:
        def appear(source: str, target: Path) -> None:
            target.write_text(f"ed25519 0 {SEED}\n")
            raise FileExistsError

        self.patch(os, "link", appear)
        [key] = load_or_create(self.path)
        self.assertEqual(Signer("domain", [key]).public_key("ed25519:0"), PUBLIC)

    def test_errors_name_the_file_and_not_the_key(self) -> None:
        for content in ("ed25519", "ed25519 0", f"rsa 0 {SEED}", "ed25519 0 AAAA", f"ed25519 0 {SEED} x", "é"):
            self.path.write_text(content)
            error = self.assertRaises(KeyFileError, load_or_create, self.path)
            self.assertIn(str(self.path), str(error))
            self.assertNotIn(SEED, str(error))
            self.assertRaises(KeyFileError, load_for_check, self.path)
        below = self.path / "folder" / "key"
        self.assertIn(str(below), str(self.assertRaises(KeyFileError, load_or_create, below)))
        self.assertIn(str(below), str(self.assertRaises(KeyFileError, load_for_check, below)))

    def test_each_key_has_a_version_of_its_own(self) -> None:
        other = new_keys().decode().split()[2]
        for content, names in (
            (f"ed25519 0 {SEED}\ned25519 0 {other}\n", "ed25519:0"),
            (f"ed25519 0 {SEED}\ned25519 0 {SEED}\n", "ed25519:0"),
            (f"ed25519 1 {SEED}\ned25519 a {SEED}\ned25519 2 {other}\ned25519 a {other}\n", "ed25519:a"),
        ):
            self.path.write_text(content)
            for load in (load_or_create, load_for_check):
                error = str(self.assertRaises(KeyFileError, load, self.path))
                self.assertIn(f"{self.path} holds two keys {names}: ", error)
        self.path.write_text(f"ed25519 0 {SEED}\ned25519 00 {SEED}\ned25519 1 {other}\n")
        self.assertEqual(len(load_or_create(self.path)), 3)

    def test_check_makes_nothing(self) -> None:
        load_for_check(self.path)
        self.assertFalse(self.path.exists())
        load_or_create(self.path)
        load_for_check(self.path)
