"""Which engine keeps everything."""

from __future__ import annotations

from typing import TypeAlias

from ..config.storage import Storage as Settings
from ..reactor import IReactor
from .redis import RedisService
from .sqlite import SQLiteService
from .sqlite.schema import UnusableDatabase

__all__ = ["Engine", "UnusableDatabase", "engine"]

Engine: TypeAlias = SQLiteService | RedisService


def engine(settings: Settings, reactor: IReactor, remember: int) -> Engine:
    """
    The engine of a configuration, as a service with its ``storage``.

    Redis forgets sessions by itself ``remember`` ms after their last change.  Raises
    :class:`UnusableDatabase`, :class:`~mxisd.net.tls.CaFileError`.
    """
    if settings.backend == "redis":
        return RedisService(settings.provider.redis, reactor, remember)
    return SQLiteService(settings.provider.sqlite.database, reactor)
