"""What several processes keep their data in, and what of it the tests look at."""

from __future__ import annotations

import re
from typing import Any, Protocol

import psycopg

from tests.integration.onbind_log import Outcome
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import RedisServer


class SharedStorage(Protocol):
    """A server that has just been started."""

    settings: dict[str, Any]
    """The section ``storage``."""
    name: str
    """As the log calls it."""

    def start(self) -> None: ...

    def kill(self) -> None:
        """End it as a fault of the machine would."""
        ...

    def stall(self) -> None: ...

    def go_on(self) -> None: ...

    def remove(self) -> None: ...

    def is_settled(self) -> bool:
        """Whether no invite is pending, and no onbind queued."""
        ...

    def outcome(self, token: str) -> Outcome:
        """How the onbind of an invite has ended."""
        ...


class OnRedis(RedisServer):
    def __init__(self) -> None:
        super().__init__(appendonly="yes")
        self.settings = {"backend": "redis", "provider": {"redis": {"url": self.url}}}
        self.name = f"Redis at {self.socket}"

    def is_settled(self) -> bool:
        # There is a queue for each turn.
        return self.ask("ZCARD", "mxisd:pending") == ":0\r\n" and self.ask("KEYS", "mxisd:queues:onbind*") == "*0\r\n"

    def outcome(self, token: str) -> Outcome:
        (of_invite,) = self._texts("HMGET", f"mxisd:invite:{token}", "deliveries")
        deliveries = [
            self._texts("HMGET", f"mxisd:delivery:{id_}", "kind", "state", "lost") for id_ in of_invite.split()
        ]
        (onbind,) = (each for each in deliveries if each[0] == "onbind")
        return Outcome(onbind[1], int(onbind[2]))

    def _texts(self, *command: str) -> list[str]:
        return re.findall(r"\$\d+\r\n(.*)\r\n", self.ask(*command))


class OnPostgreSQL(PostgreSQL):
    def __init__(self) -> None:
        super().__init__(fsync="on")
        database = f"//postgres@127.0.0.1:{self.port}/postgres"
        self.settings = {"backend": "postgresql", "provider": {"postgresql": {"database": database}}}
        self.name = f"PostgreSQL at 127.0.0.1:{self.port}"

    def kill(self) -> None:
        self.crash()

    def remove(self) -> None:
        self.go_on()
        self.crash()

    def is_settled(self) -> bool:
        try:
            rows = self.execute(
                "SELECT 1 FROM mxisd_invites WHERE ended IS NULL UNION ALL "
                "SELECT 1 FROM mxisd_deliveries WHERE kind = 'onbind' AND state = 'queued'"
            )
        except psycopg.OperationalError:
            return False
        return not rows

    def outcome(self, token: str) -> Outcome:
        ((state, lost),) = self.execute(
            f"SELECT state, lost FROM mxisd_deliveries WHERE kind = 'onbind' AND token = '{token}'"  # noqa: S608
        )
        return Outcome(state, lost)
