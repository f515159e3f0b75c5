"""The shared engine: one Redis, any number of processes on any number of machines."""

from __future__ import annotations

from .accounts import RedisAccounts
from .bindings import RedisBindings
from .client import Redis
from .hashes import Peppers, RedisHashes
from .invites import RedisInvites
from .occasions import RedisOccasions
from .outbox import RedisOutbox
from .sessions import RedisSessions
from .transactions import RedisTransactions


class RedisStorage:
    """The storage contract on Redis; sessions are remembered for ``remember`` ms after their last change."""

    def __init__(self, redis: Redis, remember: int) -> None:
        peppers = Peppers()
        self.sessions = RedisSessions(redis, remember)
        self.bindings = RedisBindings(redis, peppers)
        self.hashes = RedisHashes(redis)
        self.invites = RedisInvites(redis)
        self.outbox = RedisOutbox(redis)
        self.accounts = RedisAccounts(redis)
        self.transactions = RedisTransactions(redis)
        self.occasions = RedisOccasions(redis)
