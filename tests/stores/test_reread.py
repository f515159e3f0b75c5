from __future__ import annotations

import os
import signal
from collections.abc import Iterable

from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from mxisd.config import ConfigError
from mxisd.config.stores import MemoryUser
from mxisd.reactor import installed_reactor
from mxisd.stores.localpart import UserIds
from mxisd.stores.memory import MemoryStore
from mxisd.stores.reread import Reread

reactor = installed_reactor()


class RereadTests(TestCase):
    async def test_users_are_taken_anew_on_sighup(self) -> None:
        users = [MemoryUser(username="jane", display_name="Jane")]
        memory = MemoryStore(users, UserIds("example.org"))
        broken = False

        def read() -> Iterable[MemoryUser]:
            if broken:
                raise ConfigError(["a mistake"])
            return users

        service = Reread(memory, read, reactor)
        service.startService()
        self.addCleanup(service.stopService)

        async def hang_up() -> str | None:
            os.kill(os.getpid(), signal.SIGHUP)
            await deferLater(reactor, 0)
            return await memory.display_name("@jane:example.org")

        users[0] = MemoryUser(username="jane", display_name="Jane Doe")
        self.assertEqual(await hang_up(), "Jane Doe")
        users.clear()
        broken = True
        self.assertEqual(await hang_up(), "Jane Doe")
        broken = False
        self.assertIsNone(await hang_up())
