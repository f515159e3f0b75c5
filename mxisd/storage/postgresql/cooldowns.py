"""Cooldowns: things that all processes together do at most once in a period."""

from __future__ import annotations

from .database import PostgreSQLDatabase


class PostgreSQLCooldowns:
    """:class:`mxisd.storage.once.CooldownStorage` on PostgreSQL."""

    def __init__(self, database: PostgreSQLDatabase) -> None:
        self._database = database

    async def take(self, name: str, now: int, period: int) -> bool:
        taken = await self._database.run(
            """INSERT INTO mxisd_cooldowns AS running (name, until) VALUES (:name, :until)
               ON CONFLICT (name) DO UPDATE SET until = excluded.until WHERE running.until <= :now""",
            name=name,
            until=now + period,
            now=now,
        )
        return bool(taken.affected)

    async def end(self, name: str, now: int) -> bool:
        ended = await self._database.run(
            "DELETE FROM mxisd_cooldowns WHERE name = :name AND until > :now", name=name, now=now
        )
        return bool(ended.affected)

    async def is_running(self, name: str, now: int) -> bool:
        return bool(
            await self._database.run(
                "SELECT FROM mxisd_cooldowns WHERE name = :name AND until > :now", name=name, now=now
            )
        )

    async def purge(self, now: int) -> int:
        return (await self._database.run("DELETE FROM mxisd_cooldowns WHERE until <= :now", now=now)).affected
