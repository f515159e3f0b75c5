"""The shared signing keys."""

from __future__ import annotations

from collections.abc import Callable

from .database import PostgreSQLDatabase


class PostgreSQLKeys:
    """:class:`mxisd.storage.contract.KeyStorage` on PostgreSQL."""

    def __init__(self, database: PostgreSQLDatabase) -> None:
        self._database = database

    async def signing_keys(self, make: Callable[[], bytes]) -> bytes:
        kept = await self._kept()
        if kept is None:
            # Of many processes that find none, the first one stores its keys.
            await self._database.run(
                "INSERT INTO mxisd_signing_keys (id, content) VALUES (1, :content) ON CONFLICT DO NOTHING",
                content=make(),
            )
            kept = await self._kept()
        if kept is None:
            raise AssertionError
        return kept

    async def _kept(self) -> bytes | None:
        rows = await self._database.run("SELECT content FROM mxisd_signing_keys")
        return rows[0]["content"] if rows else None
