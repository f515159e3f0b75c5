"""Redis: the contract, on a real server, and what is particular to a store that is somewhere else."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor

from mxisd.config.section import Secret
from mxisd.config.storage import Redis as Settings
from mxisd.storage.redis import RedisStorage
from mxisd.storage.redis.client import Redis
from mxisd.storage.redis.servers import server
from tests.redis_server import shared
from tests.storage import contract

REACTOR: Any = reactor
REMEMBER = 7 * 24 * 3_600_000


def client(settings: Settings) -> Redis:
    return Redis(server(settings, REACTOR), REACTOR, settings.pool_size, settings.timeout / 1000, settings.prefix)


class Contract(contract.StorageContract):
    def setUp(self) -> None:
        self.server = shared()
        self.server.flush()
        self.start()
        self.addCleanup(lambda: self.redis.stopService())

    def start(self) -> None:
        self.redis = client(Settings(url=Secret(self.server.url), pool_size=4, timeout=10_000))
        self.redis.startService()
        self.storage = RedisStorage(self.redis, REMEMBER)

    async def restart(self) -> None:
        await self.redis.stopService()
        self.start()
