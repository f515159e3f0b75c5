"""The homeserver's transactions to our application service."""

from __future__ import annotations

from .database import PostgreSQLDatabase


class PostgreSQLTransactions:
    """:class:`mxisd.storage.once.TransactionStorage` on PostgreSQL."""

    def __init__(self, database: PostgreSQLDatabase) -> None:
        self._database = database

    async def is_done(self, txn_id: str, digest: str) -> bool:
        return bool(
            await self._database.run(
                "SELECT 1 FROM mxisd_transactions WHERE txn_id = :txn_id AND digest = :digest",
                txn_id=txn_id,
                digest=digest,
            )
        )

    async def done(self, txn_id: str, digest: str, now: int) -> None:
        await self._database.run(
            """INSERT INTO mxisd_transactions (txn_id, digest, done_at) VALUES (:txn_id, :digest, :now)
               ON CONFLICT DO NOTHING""",
            txn_id=txn_id,
            digest=digest,
            now=now,
        )

    async def purge(self, done_before: int) -> int:
        return await self._database.delete_in_steps(
            """DELETE FROM mxisd_transactions WHERE (txn_id, digest) IN (
                   SELECT txn_id, digest FROM mxisd_transactions WHERE done_at < :before LIMIT :step)""",
            before=done_before,
        )
