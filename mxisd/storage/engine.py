"""Choose the storage engine that the configuration names."""

from __future__ import annotations

from typing import Any, TypeAlias

from ..config.storage import Storage as Settings
from .redis import RedisService
from .sqlite import SQLiteService

Engine: TypeAlias = SQLiteService | RedisService


def engine(settings: Settings, reactor: Any, remember: int) -> Engine:
    """
    Make the engine of a configuration: a service with the attribute ``storage``.

    Redis deletes sessions by itself, ``remember`` ms after their last change.  Raises
    :class:`~mxisd.storage.sqlite.schema.UnusableDatabase`, :class:`~mxisd.net.tls.CaFileError`.
    """
    if settings.backend == "redis":
        return RedisService(settings.provider.redis, reactor, remember)
    return SQLiteService(settings.provider.sqlite.database, reactor)
