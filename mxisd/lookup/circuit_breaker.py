"""A circuit breaker around each lookup source, with a timeout and a check of its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial

from twisted.internet.interfaces import IReactorTime
from twisted.logger import LogLevel

from ..log import Logger
from ..matrix.ids import InvalidIdentifier, server_of
from ..matrix.threepid import ThreePid
from ..metrics import CIRCUIT_OPEN, LOOKUPS
from ..net.errors import NotJson, RequestRefused, TooLarge
from ..waiting import within
from .source import Source, Unavailable, Unusable

log = Logger()

# The circuit opens after so many failures in a row.  After so many seconds, one lookup tries the source again.
FAILURES = 3
OPEN_FOR = 30.0
# Answers that arrived: one bad record among many is no reason to ask for none of them.
_ARRIVED = (Unusable, NotJson, TooLarge, RequestRefused)


class CircuitBreaker:
    """
    Asks a source with a timeout, and not while its circuit is open.

    Of its answer, only user IDs for the addresses that it was asked about are passed on.
    """

    def __init__(
        self,
        source: Source,
        clock: IReactorTime,
        timeout: timedelta,
        level: LogLevel = LogLevel.warn,
        counted_as: str | None = None,
    ) -> None:
        """
        ``level`` is the log level of messages about the source, such as when its circuit opens and closes.

        ``counted_as`` is what it is called in the metrics, with others together: there are as many domains as anybody
        makes up.
        """
        self.name = source.name
        self.local = source.local
        # To find the counter takes longer than to count.
        self._counter = cache(partial(LOOKUPS.labels, counted_as or source.name))
        self._is_open = None if counted_as else CIRCUIT_OPEN.labels(source.name)
        self._source = source
        self._clock = clock
        self._seconds = timeout.total_seconds()
        self._level = level
        self._failures = 0
        self._open_until = 0.0

    async def lookup(self, threepids: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        """Raises :class:`Unavailable`."""
        now = self._clock.seconds()
        if now < self._open_until:
            self._counter("skipped").inc(len(threepids))
            again = datetime.fromtimestamp(self._open_until, UTC).astimezone()
            raise Unavailable(f"{self.name}: circuit open: not asked until {again:%H:%M:%S}")
        if self._failures >= FAILURES:
            # One lookup finds out whether it works again.
            self._open_until = now + self._seconds + OPEN_FOR
        try:
            late = TimeoutError(f"no answer within {self._seconds:g} seconds")
            answer = await within(self._seconds, self._clock, self._source.lookup(threepids), late)
        except _ARRIVED as error:
            self._answered_badly(error, len(threepids))
            raise Unavailable(f"{self.name} gave an answer that cannot be used") from error
        except Exception as error:
            self._failed(error, len(threepids))
            raise Unavailable(f"{self.name} could not be asked") from error
        self._worked()
        found = {threepid: answer[threepid] for threepid in threepids if self._is_user_id(answer.get(threepid))}
        self._counter("found").inc(len(found))
        self._counter("missed").inc(len(threepids) - len(found))
        return found

    def _failed(self, error: Exception, number: int) -> None:
        self._counter("failed").inc(number)
        self._failures += 1
        log.debug("{source} failed: {error!r}", source=self.name, error=error)
        if self._failures >= FAILURES:
            self._open_until = self._clock.seconds() + OPEN_FOR
            self._note(is_open=True)
        if self._failures == FAILURES:
            log.emit(
                self._level,
                "{source}: circuit open after {number} failures in a row; it is tried every {seconds:g} s."
                " The last failure was {kind}: {error}",
                source=self.name,
                seconds=OPEN_FOR,
                number=FAILURES,
                kind=type(error).__name__,
                error=error,
            )

    def _answered_badly(self, error: Exception, number: int) -> None:
        self._counter("failed").inc(number)
        log.emit(self._level, "an answer of {source} cannot be used: {error}", source=self.name, error=error)
        self._worked()

    def _worked(self) -> None:
        if self._failures >= FAILURES:
            log.emit(self._level, "{source} answers again", source=self.name)
        self._failures = 0
        self._open_until = 0.0
        self._note(is_open=False)

    def _note(self, *, is_open: bool) -> None:
        if self._is_open is not None:
            self._is_open.set(is_open)

    def _is_user_id(self, user_id: str | None) -> bool:
        if user_id is None:
            return False
        try:
            server_of(user_id)
        except InvalidIdentifier as error:
            log.emit(self._level, "{source} names a user who cannot exist: {error}", source=self.name, error=error)
            return False
        return True
