"""What keeps passwords from being guessed."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from ..matrix.error import MatrixError

# After so many attempts, for people who have several passwords in mind, each doubles the wait before the next.
FREE = 5
# Seconds: how long the wait gets, and after which time without an attempt all is forgotten.
LONGEST_WAIT = 60.0
FORGOTTEN_AFTER = 15 * 60.0
# Who tries more users than this at a time has the first ones forgotten, but also that many requests to make.
MAX_USERS = 10_000


class Attempts:
    """Counts the attempts to log in as a user, whether there is one or not, until one succeeds."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._users: dict[str, tuple[int, float]] = {}

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
        # The one that was tried longest ago is first.
        self._users.pop(user_id, None)
        self._users[user_id] = (count, now + wait)
        if len(self._users) > MAX_USERS:
            del self._users[next(iter(self._users))]

    def succeeded(self, user_id: str) -> None:
        """Begin to count anew."""
        self._users.pop(user_id, None)
