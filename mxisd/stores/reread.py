"""Reads the users in the configuration again, without a restart."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from typing import Any

from ..config import ConfigError
from ..config.stores import MemoryUser
from ..log import Logger
from ..reactor import IReactor
from ..services import Service
from .memory import MemoryStore

log = Logger()


class Reread(Service):
    """Has the store know the users that ``read`` returns when the process gets SIGHUP, which would else end it."""

    def __init__(self, memory: MemoryStore, read: Callable[[], Iterable[MemoryUser]], reactor: IReactor) -> None:
        """``read`` may raise :class:`~mxisd.config.ConfigError`: the users stay the same then."""
        self._memory = memory
        self._read = read
        self._reactor = reactor
        self._before: Any = signal.SIG_DFL

    def startService(self) -> None:
        super().startService()
        # A handler may interrupt anything.
        self._before = signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self.reread))

    def stopService(self) -> None:
        super().stopService()
        signal.signal(signal.SIGHUP, self._before)

    def reread(self) -> None:
        try:
            users = list(self._read())
        except ConfigError as error:
            log.error("the users of memory stay as they were: {error}", error=str(error))
            return
        self._memory.replace(users)
        log.info("memory has {number} users now", number=len(users))
