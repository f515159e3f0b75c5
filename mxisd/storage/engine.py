"""Choose the storage engine that the configuration names."""

from __future__ import annotations

from atexit import register
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias

from ..config.storage import Storage as Settings
from ..errors import StartError, about
from ..library import MissingLibrary, library
from ..reactor import IReactor
from ..services import Service
from .contract import Storage
from .copy import CopyFailed
from .records import SESSIONS_REMEMBERED
from .sqlite import SQLiteService
from .sqlite.backup import back_up as sqlite_back_up
from .sqlite.schema import copy_to, examine, upgrade
from .sqlite.schema import is_unused as is_sqlite_unused

if TYPE_CHECKING:
    from .postgresql import PostgreSQLService
    from .redis import RedisService

OpenEngine: TypeAlias = "SQLiteService | RedisService | PostgreSQLService"
Engine: TypeAlias = "OpenEngine | UnopenedEngine"


def engine(settings: Settings, reactor: IReactor, remember: int = SESSIONS_REMEMBERED) -> OpenEngine:
    """
    Make the engine of a configuration: a service with the attribute ``storage``.

    Redis deletes sessions by itself, ``remember`` ms after their last change.  Raises
    :class:`~mxisd.errors.StartError`.
    """
    if settings.backend == "redis":
        return _redis(settings, reactor, remember)
    if settings.backend == "postgresql":
        return _postgresql(settings, reactor)
    if not settings.provider.sqlite.lasts:
        return _short_lived(reactor)
    with about("storage.provider.sqlite.database"):
        upgrade(settings.provider.sqlite.database)
    return SQLiteService(settings.provider.sqlite.database, reactor)


def is_unused(settings: Settings) -> bool:
    """Whether one can tell, without opening it, that no invite has ever been in the storage: SQLite's is a file."""
    return settings.backend == "sqlite" and is_sqlite_unused(settings.provider.sqlite.database)


def _short_lived(reactor: IReactor) -> SQLiteService:
    """A database that is gone with the process: its threads would not share one in memory."""
    folder = TemporaryDirectory(prefix="mxisd-")
    path = Path(folder.name) / "mxisd.db"
    upgrade(path)
    service = SQLiteService(path, reactor)
    register(folder.cleanup)
    return service


def back_up(settings: Settings, target: Path) -> dict[str, int]:
    """
    Copy what is stored to a file, while it is in use; returns how many records of each kind there are.

    Raises :class:`~mxisd.storage.copy.CopyFailed`, :class:`~mxisd.storage.contract.StorageUnavailable`,
    :class:`OSError`.
    """
    if settings.backend != "sqlite":
        raise CopyFailed(f"storage.backend is {settings.backend}, which has a backup of its own: mxisd cannot make one")
    return sqlite_back_up(settings.provider.sqlite.database, target)


class UnopenedEngine(Service):
    """A storage that is built but never opened, for ``--check``."""

    name = "storage, not opened"

    def __init__(self, storage: Storage) -> None:
        self.storage = storage


def engine_for_check(settings: Settings, reactor: IReactor) -> UnopenedEngine:
    """
    Check that :func:`engine` would succeed, without creating or changing anything; return an engine that is not opened.

    Raises what :func:`engine` raises.
    """
    if settings.backend == "redis":
        return UnopenedEngine(_redis(settings, reactor).storage)
    if settings.backend == "postgresql":
        return UnopenedEngine(_postgresql(settings, reactor).storage)
    path = settings.provider.sqlite.database
    with about("storage.provider.sqlite.database"):
        if settings.provider.sqlite.lasts:
            examine(path)
    return UnopenedEngine(SQLiteService(path, reactor).storage)


async def engine_for_trial(settings: Settings, reactor: IReactor, folder: Path) -> OpenEngine:
    """
    The engine of a configuration, to be read and not to be written.

    Neither a file nor tables are made: what is in a file is copied to ``folder``, and where a server has nothing of
    ours, an empty file is there.  Raises what :func:`engine` raises, and
    :class:`~mxisd.storage.contract.StorageUnavailable`.
    """
    place = folder / "trial.db"
    if settings.backend == "sqlite":
        with about("storage.provider.sqlite.database"):
            copy_to(settings.provider.sqlite.database, place)
    else:
        chosen = engine(settings, reactor)
        if not isinstance(chosen, SQLiteService) and await chosen.version():
            return chosen
    upgrade(place)
    return SQLiteService(place, reactor)


# Each is imported by those who have it only: that takes time, and memory for good.


def _redis(settings: Settings, reactor: IReactor, remember: int = SESSIONS_REMEMBERED) -> RedisService:
    from .redis import RedisService

    return RedisService(settings.provider.redis, reactor, remember)


def _postgresql(settings: Settings, reactor: IReactor) -> PostgreSQLService:
    try:
        library("psycopg", "postgresql")
    except MissingLibrary as error:
        raise StartError(f"storage.backend: {error}") from None
    from .postgresql import PostgreSQLService

    return PostgreSQLService(settings.provider.postgresql, reactor)
