"""Signing keys that the storage keeps, for processes that share no file."""

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

# The storage was not available: ask again after so long.  Seconds.
PAUSE = 0.5


class SharedKeys(Service, Sequence[SigningKey]):
    """
    The keys that the storage keeps, as a sequence; a new one is made when it keeps none.

    Until they have been read, which begins with the service, using them raises :class:`StorageUnavailable`.
    """

    name = "signing keys"

    def __init__(self, keys: KeyStorage, clock: IReactorTime) -> None:
        self._keys = keys
        self._clock = clock
        self._read: list[SigningKey] | None = None
        self._reading: Deferred[None] = Deferred()

    def startService(self) -> None:
        super().startService()
        self._reading = background("reading the signing keys", self._read_them())

    def stopService(self) -> None:
        super().stopService()
        self._reading.cancel()

    async def _read_them(self) -> None:
        while self._read is None:
            try:
                self._read = read_keys(await self._keys.signing_keys(new_keys), "the storage")
            except StorageUnavailable as error:
                log.debug("the signing keys cannot be read yet: {error}", error=error)
                await deferLater(self._clock, PAUSE)
            except KeyFileError as error:
                log.critical("nothing can be signed: {error}", error=error)
                return

    def _there(self) -> list[SigningKey]:
        if self._read is None:
            raise StorageUnavailable("the signing keys have not been read yet")
        return self._read

    @overload
    def __getitem__(self, index: int) -> SigningKey: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[SigningKey]: ...

    def __getitem__(self, index: int | slice) -> SigningKey | Sequence[SigningKey]:
        return self._there()[index]

    def __len__(self) -> int:
        return len(self._there())
