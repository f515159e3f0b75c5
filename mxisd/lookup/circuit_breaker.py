"""What stands between lookups and a source that hangs, fails, or lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime
from twisted.logger import LogLevel

from ..log import Logger
from ..matrix.ids import InvalidIdentifier, server_of
from ..matrix.threepid import ThreePid
from ..net.errors import NotJson, TooLarge
from ..waiting import within
from .source import Source, Unavailable, Unusable

log = Logger()

# So many failures in a row, and a source is left in peace for so many seconds; then one lookup tries it.
FAILURES = 3
PEACE = 30.0
# Answers that arrived: one bad record among many is no reason to ask for none of them.
_ARRIVED = (Unusable, NotJson, TooLarge)


class Counts(Struct):
    """What became of lookups."""

    asked: int = 0
    failed: int = 0
    """Of those asked."""
    skipped: int = 0
    """Because the source was left in peace."""


class CircuitBreaker:
    """
    Asks a source, within a time limit and not while it is broken, and takes from its answer what may be taken.

    That is user IDs, for the addresses that it was asked about: nobody is asked to speak of others.
    """

    def __init__(
        self, source: Source, clock: IReactorTime, timeout: timedelta, level: LogLevel = LogLevel.warn
    ) -> None:
        """``level`` is that of what the log says of the source: when it breaks, say, and when it answers again."""
        self.name = source.name
        self.local = source.local
        self.counts = Counts()
        self._source = source
        self._clock = clock
        self._seconds = timeout.total_seconds()
        self._level = level
        self._failures = 0
        self._peace_until = 0.0

    async def lookup(self, threepids: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        """Raises :class:`Unavailable`."""
        now = self._clock.seconds()
        if now < self._peace_until:
            self.counts.skipped += 1
            raise Unavailable(f"{self.name} failed lately, and is left in peace")
        if self._failures >= FAILURES:
            # Whether it works again is for one lookup to find out.
            self._peace_until = now + self._seconds + PEACE
        self.counts.asked += 1
        try:
            late = TimeoutError(f"no answer within {self._seconds:g} seconds")
            answer = await within(self._seconds, self._clock, self._source.lookup(threepids), late)
        except _ARRIVED as error:
            self._answered_badly(error)
            raise Unavailable(f"{self.name} gave an answer that cannot be used") from error
        except Exception as error:
            self._failed(error)
            raise Unavailable(f"{self.name} could not be asked") from error
        self._worked()
        return {threepid: answer[threepid] for threepid in threepids if self._is_user_id(answer.get(threepid))}

    def _failed(self, error: Exception) -> None:
        self.counts.failed += 1
        self._failures += 1
        log.debug("{source} failed: {error!r}", source=self.name, error=error)
        if self._failures >= FAILURES:
            self._peace_until = self._clock.seconds() + PEACE
        if self._failures == FAILURES:
            log.emit(
                self._level,
                "{source} is not asked until it answers again; it is tried every {peace:g} s. It failed {number} times"
                " in a row, at last by {kind}: {error}",
                source=self.name,
                peace=PEACE,
                number=FAILURES,
                kind=type(error).__name__,
                error=error,
            )

    def _answered_badly(self, error: Exception) -> None:
        self.counts.failed += 1
        log.emit(self._level, "an answer of {source} cannot be used: {error}", source=self.name, error=error)
        self._worked()

    def _worked(self) -> None:
        if self._failures >= FAILURES:
            log.emit(self._level, "{source} answers again", source=self.name)
        self._failures = 0
        self._peace_until = 0.0

    def _is_user_id(self, user_id: str | None) -> bool:
        if user_id is None:
            return False
        try:
            server_of(user_id)
        except InvalidIdentifier as error:
            log.emit(self._level, "{source} names a user who cannot exist: {error}", source=self.name, error=error)
            return False
        return True
