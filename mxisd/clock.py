"""
Time and randomness, as they are passed to whatever needs them.

Points in time are epoch milliseconds; durations of the configuration are :class:`datetime.timedelta`.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias

from twisted.internet.interfaces import IReactorTime

# So many bytes that nobody can guess: os.urandom, or a seeded source in tests.
Random: TypeAlias = Callable[[int], bytes]

MINUTE = 60 * 1000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def now(clock: IReactorTime) -> int:
    """Epoch milliseconds."""
    return int(clock.seconds() * 1000)


def milliseconds(duration: timedelta) -> int:
    """A duration, to be added to points in time."""
    return duration // timedelta(milliseconds=1)


def token(random: Random, size: int = 32) -> str:
    """A string of ``[0-9a-zA-Z_-]`` made of random bytes."""
    return urlsafe_b64encode(random(size)).rstrip(b"=").decode()
