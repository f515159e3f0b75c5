"""Signing keys that are kept with everything else."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mxisd.keys.shared import RETRY_DELAY, SharedKeys
from mxisd.matrix.signing import Signer
from mxisd.storage.contract import StorageUnavailable
from tests.make import result
from tests.storage.inline import storage_in_memory


class Away:
    """A store that is not there at first."""

    def __init__(self) -> None:
        self.away = True
        self._keys = storage_in_memory().keys

    async def signing_keys(self, make: Callable[[], bytes]) -> bytes:
        if self.away:
            raise StorageUnavailable("gone fishing")
        return await self._keys.signing_keys(make)


class SharedKeysTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.store = Away()

    def signer(self) -> Signer:
        """The signer of a process that has just started."""
        keys = SharedKeys(self.store, self.clock)
        keys.startService()
        self.addCleanup(keys.stopService)
        return Signer("example.org", keys)

    def test_all_processes_sign_alike(self) -> None:
        self.store.away = False
        first, second = self.signer(), self.signer()
        self.assertEqual(first.key_id, second.key_id)
        self.assertEqual(first.sign({"a": 1}), second.sign({"a": 1}))
        self.assertEqual(first.public_key(first.key_id), second.public_key(first.key_id))

    def test_until_the_keys_are_there_nothing_can_be_signed(self) -> None:
        signer = self.signer()
        for use in (lambda: signer.sign({}), lambda: signer.key_id, lambda: signer.public_key("ed25519:0")):
            self.assertRaises(StorageUnavailable, use)
        self.store.away = False
        self.clock.advance(RETRY_DELAY)
        self.assertIn("ed25519:0", str(signer.sign({})))
        self.assertIsNotNone(signer.public_key(signer.key_id))

    def test_what_is_no_key_is_not_used(self) -> None:
        self.store.away = False
        result(self.store.signing_keys(lambda: b"ed25519 0 nonsense"))
        self.assertRaises(StorageUnavailable, self.signer().sign, {})
