"""The ends of a server in memory: nothing is written, and nothing is listened on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from signedjson.types import SigningKey
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory, IReactorTime

from mxisd.config import Config
from mxisd.core import Core
from mxisd.reactor import IReactor
from mxisd.storage.engine import UnopenedEngine
from tests.make import SIGNING_KEY, seeded
from tests.storage.inline import at_once, storage_in_memory

T = TypeVar("T")


class MemoryEnds:
    """See :class:`mxisd.core.Ends`."""

    def engine(self, config: Config, reactor: IReactor) -> UnopenedEngine:
        return UnopenedEngine(storage_in_memory())

    def signing_keys(self, path: Path) -> list[SigningKey]:
        return [SIGNING_KEY]

    def write(self, path: Path, content: bytes) -> None: ...

    def listen(self, core: Core, key: str, bind: Sequence[str], site: IProtocolFactory) -> None: ...


class MemoryCore(Core):
    """What a server in memory stands on: a clock to turn, and a random source that says the same each time."""

    def __init__(self, config: Config, clock: IReactorTime) -> None:
        reactor: Any = clock
        super().__init__(config.resolved(Path()), reactor, MemoryEnds(), random=seeded(), environ={})

    def use(self, homeservers: Any) -> None:
        """Have these say whose OpenID token is whose, and who signed a request."""
        self.federation, self.authenticate = homeservers, homeservers.authenticate

    def in_thread(self, function: Callable[[], T]) -> Deferred[T]:
        return at_once(function)
