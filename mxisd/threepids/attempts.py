"""Sending the messages of validation sessions, each attempt once."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ..clock import now
from ..log import Logger
from ..matrix.error import MatrixError
from ..matrix.threepid import EMAIL
from ..notify import MessageSender, SendFailed, Validation
from ..services import Service
from ..storage.contract import SessionStorage
from ..storage.once import CooldownStorage

log = Logger()

# Seconds.  Whoever asked for a message waits, and gives up about then.
SEND_TIMEOUT = 30.0
# Milliseconds.  An attempt that has taken longer was a dead process's.
CLAIM = 32_000
# Seconds until one looks again whether another request has made the attempt.
LOOK_AGAIN = 0.5


class Attempts(Service):
    """
    Makes the attempts to send the messages of sessions, in whichever process they are asked for.

    An attempt counts when its message was sent, or most likely was.  Those who ask for the same one at the same time
    wait for it; and if it failed, the next of them makes it.  At a stop, attempts under way are given up.
    """

    def __init__(
        self,
        sessions: SessionStorage,
        cooldowns: CooldownStorage,
        messages: MessageSender[Validation],
        clock: IReactorTime,
    ) -> None:
        self._sessions = sessions
        self._cooldowns = cooldowns
        self._messages = messages
        self._clock = clock
        self._under_way: set[Deferred[None]] = set()

    def stopService(self) -> Deferred[Any]:
        super().stopService()
        under_way = tuple(self._under_way)
        for attempt in under_way:
            attempt.cancel()
        return DeferredList(under_way, consumeErrors=True)

    async def make(
        self, sid: str, send_attempt: int, message: Validation, next_link: str | None, token_digest: str
    ) -> None:
        """
        Send a message with a token, unless this attempt counts already.

        Raises :class:`MatrixError`: ``M_EMAIL_SEND_ERROR`` and ``M_SEND_ERROR``; the same attempt may be made again.
        """
        if not await self._claim(sid, send_attempt):
            return
        attempt = Deferred.fromCoroutine(self._make(sid, send_attempt, message, next_link, token_digest))
        self._under_way.add(attempt)
        try:
            await attempt
        finally:
            self._under_way.discard(attempt)

    async def _claim(self, sid: str, send_attempt: int) -> bool:
        """Whether to make an attempt; if not, it was made, perhaps by a request that was waited for."""
        patience = self._clock.seconds() + 2 * CLAIM / 1000
        while not await self._cooldowns.take(_name(sid, send_attempt), now(self._clock), CLAIM):
            if self._clock.seconds() > patience:
                raise MatrixError(503, "M_UNKNOWN", "Others are at this attempt")
            await deferLater(self._clock, LOOK_AGAIN)
        session = await self._sessions.get(sid)
        if session is None or session.send_attempt < send_attempt:
            return True
        await self._cooldowns.end(_name(sid, send_attempt), now(self._clock))
        return False

    async def _make(
        self, sid: str, send_attempt: int, message: Validation, next_link: str | None, token_digest: str
    ) -> None:
        try:
            await self._sessions.add_token(sid, next_link, token_digest)
            await self._send(message)
            await self._sessions.sent(sid, send_attempt)
        finally:
            await self._cooldowns.end(_name(sid, send_attempt), now(self._clock))

    async def _send(self, message: Validation) -> None:
        """Send within :data:`SEND_TIMEOUT`.  Raises :class:`MatrixError`."""
        sending = Deferred.fromCoroutine(self._messages.send(message))
        try:
            # When it is cancelled, what was handed over already says so with an error of its own.
            await sending.addTimeout(SEND_TIMEOUT, self._clock)
        except TookTooLong:
            raise _failed(message, f"not done within {SEND_TIMEOUT:g} seconds") from None
        except CancelledError:
            raise _failed(message, "it was given up") from None
        except SendFailed as error:
            if not error.handed_over:
                raise _failed(message, str(error)) from error
            # Most likely it arrives: whoever is told that it failed asks for another one.
            log.warn("a validation message may not have been sent: {error}", error=error)


def _name(sid: str, send_attempt: int) -> str:
    return f"attempt {send_attempt} {sid}"


def _failed(message: Validation, reason: str) -> MatrixError:
    log.warn("a validation message could not be sent: {reason}", reason=reason)
    code = "M_EMAIL_SEND_ERROR" if message.threepid.medium == EMAIL else "M_SEND_ERROR"
    return MatrixError(400, code, "The message could not be sent")
