"""v2 access tokens and accepted terms."""

from __future__ import annotations

from collections.abc import Iterable

from ..records import Account
from .connection import Rows
from .database import PostgreSQLDatabase
from .statement import lock, statement


class PostgreSQLAccounts:
    """:class:`mxisd.storage.contract.AccountStorage` on PostgreSQL."""

    def __init__(self, database: PostgreSQLDatabase) -> None:
        self._database = database

    async def register(self, token_hash: str, user_id: str, now: int, most: int) -> None:
        await self._database.step(
            lock("tokens of", user_id),
            statement(
                "INSERT INTO mxisd_access_tokens (digest, user_id, created) VALUES (:digest, :user_id, :now)",
                digest=token_hash,
                user_id=user_id,
                now=now,
            ),
            statement(
                """DELETE FROM mxisd_access_tokens WHERE digest IN (
                       SELECT digest FROM mxisd_access_tokens WHERE user_id = :user_id
                       ORDER BY created DESC, digest OFFSET :most)""",
                user_id=user_id,
                most=most,
            ),
        )

    async def renew(self, token_hash: str, now: int, if_before: int) -> None:
        await self._database.run(
            "UPDATE mxisd_access_tokens SET created = :now WHERE digest = :digest AND created < :if_before",
            digest=token_hash,
            now=now,
            if_before=if_before,
        )

    async def purge(self, before: int) -> int:
        return await self._database.delete_in_steps(
            """DELETE FROM mxisd_access_tokens WHERE digest IN (
                   SELECT digest FROM mxisd_access_tokens WHERE created < :before LIMIT :step)""",
            before=before,
        )

    async def account_of(self, token_hash: str) -> Account | None:
        accounts = await self._database.find(
            """SELECT digest, tokens.user_id, url FROM mxisd_access_tokens AS tokens
               LEFT JOIN mxisd_accepted_terms AS accepted ON accepted.user_id = tokens.user_id
               WHERE digest = ANY(:keys)""",
            _accounts,
            [token_hash],
        )
        return accounts.get(token_hash)

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


def _accounts(rows: Rows) -> dict[str, Account]:
    """By token; a row for each of the accepted terms, or a single one if there are none."""
    users = {row["digest"]: row["user_id"] for row in rows}
    terms: dict[str, list[str]] = {digest: [] for digest in users}
    for row in rows:
        if row["url"] is not None:
            terms[row["digest"]].append(row["url"])
    return {
        digest: Account(user_id=user_id, accepted_terms=frozenset(terms[digest])) for digest, user_id in users.items()
    }
