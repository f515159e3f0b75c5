"""
Time and randomness, as they are passed to whatever needs them.

Points in time are epoch milliseconds; durations of the configuration are :class:`datetime.timedelta`.
"""

from __future__ import annotations

import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias

from twisted.internet.interfaces import IReactorTime

# So many bytes that nobody can guess: os.urandom, or a seeded source in tests.
Random: TypeAlias = Callable[[int], bytes]

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class SteadyClock:
    """
    Tells the time in epoch seconds, and never jumps, though the system's clock may: all waiting goes by this.

    A clock that was set, by up to a day, is followed little by little: what is waited for, such as the end of a lease,
    takes at most a tenth longer or shorter.  One that was further off was wrong before, and is believed at once.
    """

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] | None = None) -> None:
        """``wall`` is the system's clock, and ``steady`` one that nobody sets, since whenever."""
        self._wall = wall
        self._steady = steady or _steady
        self._last = self._steady()
        self._seconds = wall()

    def __call__(self) -> float:
        steady, wall = self._steady(), self._wall()
        elapsed, self._last = steady - self._last, steady
        gap = wall - self._seconds - elapsed
        if abs(gap) > DAY / 1000:
            self._seconds = wall
        else:
            self._seconds += elapsed + max(-elapsed * _FOLLOWING, min(gap, elapsed * _FOLLOWING))
        return self._seconds


# By so much of the time that passes, a clock that was set is followed.
_FOLLOWING = 0.1


def _steady() -> float:
    # Unlike time.monotonic(), it goes on while the machine is suspended.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def now(clock: IReactorTime) -> int:
    """Epoch milliseconds."""
    return int(clock.seconds() * 1000)


def milliseconds(duration: timedelta) -> int:
    """A duration, to be added to points in time."""
    return duration // timedelta(milliseconds=1)


def token(random: Random, size: int = 32) -> str:
    """A string of ``[0-9a-zA-Z_-]`` made of random bytes."""
    return urlsafe_b64encode(random(size)).rstrip(b"=").decode()
