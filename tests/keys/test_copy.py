"""Bringing keys from one place to another."""

from __future__ import annotations

from pathlib import Path

from signedjson.types import SigningKey
from twisted.trial.unittest import SynchronousTestCase

from mxisd.keys.copy import KeyPlace, copy_keys, missing_keys
from mxisd.keys.file import load, read_keys
from mxisd.matrix.signing import id_of
from mxisd.storage.copy import CopyFailed
from tests.make import result
from tests.migrate.old_servers import OldServer
from tests.storage.inline import storage_in_memory

OURS = f"ed25519 mine {'A' * 43}\n".encode()


class KeyPlaceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.old = OldServer("mxisd-sqlite", self.folder)
        self.storage = storage_in_memory().keys
        self.in_storage = KeyPlace(None, self.storage)

    def file(self, name: str) -> KeyPlace:
        return KeyPlace(self.folder / name, self.storage)

    def ids(self, keys: list[SigningKey]) -> list[str]:
        return [id_of(key) for key in keys]

    def test_from_the_folder_of_an_older_server(self) -> None:
        before = self.old.contents()
        for target in (self.file("below/key"), self.in_storage):
            for _ in range(2):
                result(copy_keys(KeyPlace(self.old.keys, self.storage), target))
                self.assertEqual(self.ids(result(target.keys())), [self.old.facts["key_id"]])
        self.assertEqual(self.old.contents(), before)

    def test_from_the_storage_into_a_file_and_back(self) -> None:
        result(self.storage.signing_keys(lambda: OURS))
        result(copy_keys(self.in_storage, self.file("key")))
        self.assertEqual((self.folder / "key").read_bytes(), OURS)
        other = KeyPlace(None, storage_in_memory().keys)
        result(copy_keys(self.file("key"), other))
        self.assertEqual(self.ids(result(other.keys())), ["ed25519:mine"])

    def test_nothing_to_copy_makes_nothing(self) -> None:
        result(copy_keys(self.in_storage, self.file("key")))
        self.assertFalse((self.folder / "key").exists())

    def test_other_keys_stay(self) -> None:
        (self.folder / "key").write_bytes(OURS)
        for target in (self.file("key"), self.in_storage):
            result(self.storage.signing_keys(lambda: OURS))
            with self.assertRaisesRegex(CopyFailed, "has other signing keys; remove them if nothing uses them"):
                result(copy_keys(KeyPlace(self.old.keys, self.storage), target))

    def test_what_is_missing(self) -> None:
        old = load(self.old.keys)
        self.assertEqual(result(missing_keys(old, self.file("key"))), old)
        (self.folder / "key").write_bytes(OURS)
        self.assertEqual(result(missing_keys(old, self.file("key"))), old)
        self.assertEqual(result(missing_keys(old, KeyPlace(self.old.keys, self.storage))), [])
        result(self.file("key").put([*old, *read_keys(OURS, "")]))
        self.assertEqual(result(missing_keys(old, self.file("key"))), [])
        result(self.storage.signing_keys(lambda: OURS))
        with self.assertRaisesRegex(CopyFailed, "the storage has other signing keys"):
            result(missing_keys(old, self.in_storage))

    def test_beside_a_folder_all_keys_go_into_the_file(self) -> None:
        place = KeyPlace(self.old.keys, self.storage)
        before = self.old.contents()
        result(place.put([*read_keys(OURS, ""), *result(place.keys())]))
        beside = self.old.folder / "keys.signing.key"
        self.assertEqual(self.ids(load(beside)), ["ed25519:mine", self.old.facts["key_id"]])
        self.assertEqual(self.ids(load(self.old.keys)), self.ids(load(beside)))
        self.assertEqual({name: self.old.contents()[name] for name in before}, before)
