"""v2 access tokens and accepted terms."""

from __future__ import annotations

from collections.abc import Iterable

from ..records import Account
from .database import PostgreSQLDatabase


class PostgreSQLAccounts:
    """:class:`mxisd.storage.contract.AccountStorage` on PostgreSQL."""

    def __init__(self, database: PostgreSQLDatabase) -> None:
        self._database = database

    async def register(self, token_hash: str, user_id: str, now: int) -> None:
        await self._database.run(
            "INSERT INTO mxisd_access_tokens (digest, user_id, created) VALUES (:digest, :user_id, :now)",
            digest=token_hash,
            user_id=user_id,
            now=now,
        )

    async def account_of(self, token_hash: str) -> Account | None:
        rows = await self._database.find(
            """SELECT digest, tokens.user_id, url FROM mxisd_access_tokens AS tokens
               LEFT JOIN mxisd_accepted_terms AS accepted ON accepted.user_id = tokens.user_id
               WHERE digest = ANY(:keys)""",
            [token_hash],
        )
        found = [row for row in rows if row["digest"] == token_hash]
        if not found:
            return None
        terms = frozenset(row["url"] for row in found if row["url"] is not None)
        return Account(user_id=found[0]["user_id"], accepted_terms=terms)

    async def logout(self, token_hash: str) -> bool:
        gone = await self._database.run("DELETE FROM mxisd_access_tokens WHERE digest = :digest", digest=token_hash)
        return bool(gone.affected)

    async def accept_terms(self, user_id: str, urls: Iterable[str], now: int) -> None:
        await self._database.run(
            """INSERT INTO mxisd_accepted_terms (user_id, url, accepted_at)
               SELECT :user_id, url, :now FROM unnest(:urls::text[]) AS url
               ON CONFLICT DO NOTHING""",
            user_id=user_id,
            urls=list(urls),
            now=now,
        )
