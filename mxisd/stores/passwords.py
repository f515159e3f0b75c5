"""Checks passwords for the homeserver, with a rate limit."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ..cache import OldestOut
from ..log import Logger, audit
from ..matrix.error import MatrixError
from ..matrix.ids import is_user_of
from ..waiting import within
from .store import Authentication, Profile
from .stores import StoreFailed

log = Logger()

# Seconds.  That a password is wrong is said at multiples of this only: how long a store took would tell whether there
# is such a user.  Not more, since a widespread module for Synapse blocks all of it while it waits.
BEAT = 0.25
# Seconds for the stores: that module would wait forever.
TIMEOUT = 30.0

# After so many attempts, for people who have several passwords in mind, each doubles the wait before the next.
FREE = 5
# Seconds: how long the wait gets, and after which time without an attempt all is forgotten.
LONGEST_WAIT = 60.0
FORGOTTEN_AFTER = 15 * 60.0
# Who tries more users than this at a time has the first ones forgotten, but also that many requests to make.
MAX_USERS = 10_000


class Passwords:
    """The passwords of the users of one homeserver."""

    def __init__(self, stores: Authentication, domain: str, clock: IReactorTime) -> None:
        self._stores = stores
        self._domain = domain
        self._attempts = LoginRateLimit(clock)
        self._clock = clock

    async def check(self, user_id: str, password: str) -> Profile | None:
        """
        What is known of a user if the password is theirs; ``None`` alike for a wrong one and for nobody's.

        Raises :class:`MatrixError` ``M_LIMIT_EXCEEDED``, and :class:`StoreFailed` if not every store could be asked.
        """
        began = self._clock.seconds()
        try:
            profile = await self._ask(user_id, password) if is_user_of(user_id, self._domain) else None
        except StoreFailed:
            await self._on_the_beat(began)
            raise
        audit.info(
            "a login as {user_id} {result}", user_id=user_id, result="failed" if profile is None else "succeeded"
        )
        if profile is None:
            await self._on_the_beat(began)
        return profile

    async def _ask(self, user_id: str, password: str) -> Profile | None:
        # People write their names in capitals too, and stores may not care: that must not give them more attempts.
        # ASCII only, since no other letters are in the user IDs of today.
        user_id = user_id.lower() if user_id.isascii() else user_id
        self._attempts.begin(user_id)
        late = StoreFailed("the password was not checked in time")
        profile = await within(TIMEOUT, self._clock, self._stores.authenticate(user_id, password), late)
        # A store that reads a name more liberally than the homeserver would let somebody in as another user.
        if profile is not None and profile.user_id != user_id:
            log.warn("{asked} was asked for, and {found} found", asked=user_id, found=profile.user_id)
            return None
        if profile is not None:
            self._attempts.succeeded(user_id)
        return profile

    async def _on_the_beat(self, began: float) -> None:
        await deferLater(self._clock, BEAT - (self._clock.seconds() - began) % BEAT)


class LoginRateLimit:
    """Counts the attempts to log in as a user, whether there is one or not, until one succeeds."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._users: OldestOut[str, tuple[int, float]] = OldestOut(MAX_USERS)

    def begin(self, user_id: str) -> None:
        """
        Count an attempt before its outcome is known, so that many at once are not one.

        Raises :class:`MatrixError` ``M_LIMIT_EXCEEDED`` if it is too early.
        """
        now = self._clock.seconds()
        count, may_begin = self._users.get(user_id, (0, now))
        if may_begin > now:
            left = int((may_begin - now) * 1000)
            raise MatrixError(429, "M_LIMIT_EXCEEDED", "Too many attempts to log in", retry_after_ms=left)
        count = count + 1 if now - may_begin < FORGOTTEN_AFTER else 1
        wait = min(2.0 ** (count - FREE), LONGEST_WAIT) if count >= FREE else 0.0
        self._users[user_id] = (count, now + wait)

    def succeeded(self, user_id: str) -> None:
        """Begin to count anew."""
        self._users.pop(user_id, None)
