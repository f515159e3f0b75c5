"""Which engine keeps everything."""

from __future__ import annotations

from typing import TypeAlias

from ..config.storage import Storage as Settings
from ..errors import about
from ..reactor import IReactor
from ..services import Service
from .contract import Storage
from .records import SESSIONS_REMEMBERED
from .redis import RedisService
from .sqlite import SQLiteService
from .sqlite.schema import examine, upgrade

Engine: TypeAlias = "SQLiteService | RedisService | DormantEngine"


def engine(settings: Settings, reactor: IReactor, remember: int = SESSIONS_REMEMBERED) -> SQLiteService | RedisService:
    """
    The engine of a configuration, as a service with its ``storage``.

    Redis forgets sessions by itself ``remember`` ms after their last change.  Raises
    :class:`~mxisd.storage.sqlite.schema.UnusableDatabase`, :class:`~mxisd.net.tls.CaFileError`.
    """
    if settings.backend == "redis":
        return RedisService(settings.provider.redis, reactor, remember)
    with about("storage.provider.sqlite.database"):
        upgrade(settings.provider.sqlite.database)
    return SQLiteService(settings.provider.sqlite.database, reactor)


class DormantEngine(Service):
    """Holds a storage that is put together but never opened."""

    name = "storage, not opened"

    def __init__(self, storage: Storage) -> None:
        self.storage = storage


def examined(settings: Settings, reactor: IReactor) -> DormantEngine:
    """
    The engine of a configuration, of which only is seen whether it could be used: nothing is made or changed.

    Raises what :func:`engine` raises.
    """
    if settings.backend == "redis":
        return DormantEngine(RedisService(settings.provider.redis, reactor, SESSIONS_REMEMBERED).storage)
    path = settings.provider.sqlite.database
    with about("storage.provider.sqlite.database"):
        examine(path)
    return DormantEngine(SQLiteService(path, reactor).storage)
