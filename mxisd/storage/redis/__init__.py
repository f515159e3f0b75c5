"""The storage engine for several processes, on one or more machines: a Redis server."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred

from ...config.storage import Redis as Settings
from ...log import Logger
from ...reactor import IReactor
from ...services import Service
from ...waiting import background
from ..contract import StorageUnavailable
from .accounts import RedisAccounts
from .archive import RedisArchive
from .bindings import RedisBindings
from .buckets import RedisBuckets
from .client import Redis
from .cooldowns import RedisCooldowns
from .durability import durability_warnings
from .hashes import RedisHashes
from .invites import RedisInvites
from .keys import RedisKeys
from .outbox import RedisOutbox
from .peppers import Peppers
from .respelling import respell
from .servers import server
from .sessions import RedisSessions
from .transactions import RedisTransactions

log = Logger()


class RedisStorage:
    """The storage contract on Redis; sessions are deleted ``remember`` ms after their last change."""

    def __init__(self, redis: Redis, remember: int) -> None:
        self.peppers = peppers = Peppers()
        self.sessions = RedisSessions(redis, remember)
        self.bindings = RedisBindings(redis, peppers)
        self.hashes = RedisHashes(redis)
        self.invites = RedisInvites(redis)
        self.outbox = RedisOutbox(redis)
        self.accounts = RedisAccounts(redis)
        self.transactions = RedisTransactions(redis)
        self.cooldowns = RedisCooldowns(redis)
        self.buckets = RedisBuckets(redis)
        self.keys = RedisKeys(redis)
        self.archive = RedisArchive(redis, remember)


class RedisService(Service):
    """
    The connections to a Redis.  It may be unreachable, even at the start: they are made as soon as it can be reached.

    Raises :class:`~mxisd.net.tls.CaFileError`.
    """

    name = "redis"

    def __init__(self, settings: Settings, reactor: IReactor, remember: int) -> None:
        where = server(settings, reactor)
        self._redis = Redis(where, reactor, settings.pool_size, settings.timeout, settings.prefix)
        self._checking: Deferred[None] = Deferred()
        self.storage = RedisStorage(self._redis, remember)

    def startService(self) -> None:
        super().startService()
        self._redis.startService()
        self._checking = background("the look at the settings of Redis", self._warn())

    def stopService(self) -> Deferred[Any]:
        super().stopService()
        self._checking.cancel()
        return self._redis.stopService()

    async def version(self) -> int:
        """The version of the data, 0 if there are none; nothing is changed.  Raises :class:`StorageUnavailable`."""
        return await self._redis.version()

    async def ready(self) -> None:
        """Wait until all data are as they are kept today.  Raises :class:`StorageUnavailable`."""
        await respell(self._redis, self.storage.archive, self.storage.peppers)

    async def _warn(self) -> None:
        await self._redis.ready()
        with suppress(StorageUnavailable):
            for problem in await durability_warnings(self._redis):
                log.warn("Redis {problem}", problem=problem)
        try:
            await self.ready()
        except StorageUnavailable as error:
            log.warn("some addresses are in an old form until mxisd is started again: {error}", error=error)
