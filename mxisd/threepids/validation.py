"""Validation sessions (specification: identity service API, "Establishing associations")."""

from __future__ import annotations

import hmac
import re
from typing import NamedTuple
from urllib.parse import urlencode

from twisted.internet.interfaces import IReactorTime

from ..clock import DAY, Random, now, token
from ..limits.limits import RateLimits, Requester
from ..log import audit
from ..matrix.error import MatrixError
from ..matrix.threepid import MSISDN, ThreePid, redacted
from ..notify import Validation
from ..storage.contract import SessionStorage
from ..storage.records import SESSIONS_REMEMBERED, Session, secret_digest, token_digest
from .attempts import Attempts
from .destinations import Destinations
from .next_link import NextLink, NextLinks

# Since creation or, later, validation.
LIFE = DAY
# Three tokens of six digits may be valid: guessed five times, that is one chance in 67,000.
MAX_GUESSES = 5

# In place of the client secret in a ``next_link``, which has no such character.
_LEFT_OUT = "\n"

_OPAQUE = re.compile(r"[0-9a-zA-Z.=_-]{1,255}")


def check_opaque(name: str, value: str) -> None:
    """Refuse a ``client_secret`` or ``sid`` that does not follow the grammar.  Raises :class:`MatrixError`."""
    if not _OPAQUE.fullmatch(value):
        raise MatrixError(400, "M_INVALID_PARAM", f"{name} must be 1 to 255 characters of 0-9 a-z A-Z . = _ -")


def kept_link(next_link: str | None, client_secret: str) -> str | None:
    """A ``next_link`` as it is kept: without the secret, which clients put there to go on with when they are opened."""
    return next_link and next_link.replace(client_secret, _LEFT_OUT)


class Validated(NamedTuple):
    """The address of a session that has been validated, and where its client wants its user to be sent then."""

    threepid: ThreePid
    next_link: NextLink | None


class ValidationSessions:
    """Opens sessions, has their tokens sent, and judges what is submitted."""

    def __init__(
        self,
        sessions: SessionStorage,
        attempts: Attempts,
        clock: IReactorTime,
        random: Random,
        public_url: str,
        next_links: NextLinks,
        destinations: Destinations,
        limits: RateLimits,
        most_of_address: int,
    ) -> None:
        """``most_of_address``: how many sessions of an address there are at most; the oldest go."""
        self._sessions = sessions
        self._attempts = attempts
        self._clock = clock
        self._random = random
        self._public_url = public_url
        self._next_links = next_links
        self._destinations = destinations
        self._limits = limits
        self._most_of_address = most_of_address

    async def request_token(
        self,
        threepid: ThreePid,
        client_secret: str,
        send_attempt: int,
        next_link: str | None,
        submit_path: str,
        accept_language: str = "",
        *,
        by: Requester,
    ) -> str:
        """
        Send a token to an address, in a new session or a living one, unless this attempt was made before.

        ``submit_path`` is where the link in the message leads to.  Returns the session's ID.  Raises
        :class:`MatrixError`: ``M_INVALID_PARAM``, ``M_DESTINATION_REJECTED``, those of
        :class:`~mxisd.limits.limits.RateLimits`, or ``M_EMAIL_SEND_ERROR`` and ``M_SEND_ERROR``, after which the
        same attempt can be made again.
        """
        check_opaque("client_secret", client_secret)
        if next_link:
            self._next_links.check(next_link)
        if threepid.medium == MSISDN:
            self._destinations.check(threepid)
        if not await self._was_sent(threepid, client_secret, send_attempt):
            await self._limits.validation(threepid, by)
        link = kept_link(next_link, client_secret)
        session = await self._open(threepid, client_secret)
        # A new one each time: those that were sent before are not known any more, and go on being valid.
        made = self._token(threepid.medium)
        message = Validation(
            threepid=threepid,
            token=made,
            link=self._link(submit_path, session.sid, client_secret, made),
            next_link=next_link or "",
            accept_language=accept_language,
        )
        digest = token_digest(session.sid, client_secret, made)
        await self._attempts.make(session.sid, send_attempt, message, link, digest)
        return session.sid

    async def submit_token(self, medium: str, sid: str, client_secret: str, token: str) -> Validated:
        """
        Validate a session by one of the last tokens that were sent in it; again is as good as once.

        Raises :class:`MatrixError`: ``M_NO_VALID_SESSION``, ``M_SESSION_EXPIRED``, ``M_TOKEN_INCORRECT``.
        """
        session = await self._living(sid, client_secret)
        if session.threepid.medium != medium:
            raise _no_session()
        if session.guesses < MAX_GUESSES:
            await self._limits.submit_token(session.threepid)
        # Counted before it is compared, so that many submitted at once are not all free.
        if await self._sessions.take_guess(sid) > MAX_GUESSES:
            raise MatrixError(400, "M_SESSION_EXPIRED", "Too many wrong tokens: please request a new one")
        digest = token_digest(sid, client_secret, token.strip())
        if not any(hmac.compare_digest(digest, valid) for valid in session.token_digests.split()):
            raise MatrixError(400, "M_TOKEN_INCORRECT", "The token is not the one that was sent")
        await self._sessions.validate(sid, now(self._clock))
        audit.info("validated {address}", address=redacted(session.threepid))
        return Validated(session.threepid, self._next_link(session, client_secret))

    async def next_link(self, sid: str, client_secret: str) -> NextLink | None:
        """Where the client wants its user to be sent; ``None``, too, for whoever does not know a living session."""
        try:
            return self._next_link(await self._living(sid, client_secret), client_secret)
        except MatrixError:
            return None

    async def validated(self, sid: str, client_secret: str) -> Session:
        """
        A session that has been validated, to be used as a proof.

        Raises :class:`MatrixError`: ``M_NO_VALID_SESSION``, ``M_SESSION_EXPIRED``, ``M_SESSION_NOT_VALIDATED``.
        """
        session = await self._living(sid, client_secret)
        if session.validated_at is None:
            raise MatrixError(400, "M_SESSION_NOT_VALIDATED", "This session has not been validated yet")
        return session

    async def purge(self) -> int:
        """Forget sessions that are long over; return how many."""
        return await self._sessions.purge(now(self._clock) - SESSIONS_REMEMBERED)

    async def _open(self, threepid: ThreePid, client_secret: str) -> Session:
        current = now(self._clock)
        session = Session(
            sid=token(self._random),
            secret_digest=secret_digest(*threepid, client_secret),
            threepid=threepid,
            modified=current,
        )
        alive_since, most = current - LIFE + 1, self._most_of_address
        return await self._sessions.open(session, alive_since=alive_since, max_guesses=MAX_GUESSES, most=most)

    async def _was_sent(self, threepid: ThreePid, client_secret: str, send_attempt: int) -> bool:
        """Whether a message was sent for this attempt, so that none is for another request with it."""
        digest, alive_since = secret_digest(*threepid, client_secret), now(self._clock) - LIFE + 1
        session = await self._sessions.alive(digest, alive_since=alive_since, max_guesses=MAX_GUESSES)
        return session is not None and session.send_attempt >= send_attempt

    def _next_link(self, session: Session, client_secret: str) -> NextLink | None:
        if not session.next_link:
            return None
        try:
            return self._next_links.check(session.next_link.replace(_LEFT_OUT, client_secret))
        except MatrixError:
            return None  # allowed when the client asked, and not any more

    async def _living(self, sid: str, client_secret: str) -> Session:
        check_opaque("sid", sid)
        check_opaque("client_secret", client_secret)
        session = await self._sessions.get(sid)
        if session is None:
            raise _no_session()
        if not hmac.compare_digest(secret_digest(*session.threepid, client_secret), session.secret_digest):
            raise _no_session()
        if session.modified + LIFE <= now(self._clock):
            raise MatrixError(400, "M_SESSION_EXPIRED", "This session has expired: please start a new one")
        return session

    def _token(self, medium: str) -> str:
        if medium == MSISDN:
            return f"{int.from_bytes(self._random(8), 'big') % 1_000_000:06}"
        return token(self._random)

    def _link(self, submit_path: str, sid: str, client_secret: str, token: str) -> str:
        query = urlencode({"sid": sid, "client_secret": client_secret, "token": token})
        return f"{self._public_url}{submit_path}?{query}"


def _no_session() -> MatrixError:
    return MatrixError(404, "M_NO_VALID_SESSION", "There is no session with this sid and client_secret")
