"""Signing keys in the storage, for processes that have no file in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from signedjson.types import SigningKey
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ..log import Logger
from ..services import Service
from ..storage.contract import KeyStorage, StorageUnavailable
from ..waiting import background
from .file import KeyFileError, new_keys, read_keys

log = Logger()

# Seconds until the next attempt, when the storage was not available.
RETRY_DELAY = 0.5


class SharedKeys(Service, Sequence[SigningKey]):
    """
    The signing keys in the storage, as a sequence; if there are none, a new one is made and stored.

    They are read when the service starts.  Using them before they have been read raises :class:`StorageUnavailable`.
    """

    name = "signing keys"

    def __init__(self, keys: KeyStorage, clock: IReactorTime) -> None:
        self._keys = keys
        self._clock = clock
        self._found: list[SigningKey] | None = None
        self._loading: Deferred[None] = Deferred()

    def startService(self) -> None:
        super().startService()
        self._loading = background("reading the signing keys", self._load())

    def stopService(self) -> None:
        super().stopService()
        self._loading.cancel()

    async def _load(self) -> None:
        while self._found is None:
            try:
                self._found = read_keys(await self._keys.signing_keys(new_keys), "the storage")
            except StorageUnavailable as error:
                log.debug("the signing keys cannot be read yet: {error}", error=error)
                await deferLater(self._clock, RETRY_DELAY)
            except KeyFileError as error:
                log.critical("nothing can be signed: {error}", error=error)
                return

    def _loaded(self) -> list[SigningKey]:
        if self._found is None:
            raise StorageUnavailable("the signing keys have not been read yet")
        return self._found

    @overload
    def __getitem__(self, index: int) -> SigningKey: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[SigningKey]: ...

    def __getitem__(self, index: int | slice) -> SigningKey | Sequence[SigningKey]:
        return self._loaded()[index]

    def __len__(self) -> int:
        return len(self._loaded())
