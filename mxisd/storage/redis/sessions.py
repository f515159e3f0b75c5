"""Validation sessions."""

from __future__ import annotations

from ..records import VALID_TOKENS, Session
from .client import Redis
from .records import fields, read_session


class RedisSessions:
    """
    :class:`mxisd.storage.contract.SessionStorage` on Redis.

    Redis deletes a session ``remember`` ms after its last change.
    """

    def __init__(self, redis: Redis, remember: int) -> None:
        self._redis = redis
        self._remember = remember

    async def open(self, session: Session, *, alive_since: int, max_guesses: int, most: int) -> Session:
        known = await self._redis.run(
            "session_open",
            session.secret_digest,
            alive_since,
            max_guesses,
            self._remember,
            most,
            *fields(session),
        )
        return read_session(known) if known else session

    async def get(self, sid: str) -> Session | None:
        answer = await self._redis.command("HGETALL", self._redis.key("session", sid))
        return read_session(answer) if answer else None

    async def alive(self, secret_digest: str, *, alive_since: int, max_guesses: int) -> Session | None:
        known = await self._redis.run("session_alive", secret_digest, alive_since, max_guesses)
        return read_session(known) if known else None

    async def add_token(self, sid: str, next_link: str | None, token_digest: str) -> None:
        link = () if next_link is None else (next_link,)
        await self._redis.run("session_add_token", sid, token_digest, VALID_TOKENS, *link)

    async def sent(self, sid: str, send_attempt: int) -> None:
        await self._redis.run("session_sent", sid, send_attempt)

    async def take_guess(self, sid: str) -> int:
        return int(await self._redis.run("session_take_guess", sid))

    async def validate(self, sid: str, now: int) -> None:
        await self._redis.run("session_validate", sid, now, self._remember)

    async def purge(self, modified_before: int) -> int:
        return 0
