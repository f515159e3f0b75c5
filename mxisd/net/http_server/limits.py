"""What one client, and what all of them, may take of the server."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime

from ...log import Logger

log = Logger()

# Seconds between two lines in the log about the same limit.
BETWEEN_LINES = 60.0


class Limits(Struct, frozen=True):
    """Sizes are in bytes, times in seconds.  The names are those of the keys in the configuration, in snake_case."""

    request_line: int = 8 * 1024
    """Of a request line."""
    head: int = 32 * 1024
    """Of the request line and all header fields."""
    header_fields: int = 100
    """How many header fields a request may have."""
    body: int = 64 * 1024
    """Of a body, where the resource says nothing else."""
    large_bodies: int = 64 * 1024 * 1024
    """Of what is kept at a time of the bodies of all requests; what is within ``body`` does not count."""
    head_timeout: float = 10.0
    """From the first byte of a request, or from the beginning of the connection, to the end of the head."""
    body_timeout: float = 60.0
    """From the end of the head to the end of the body."""
    idle_timeout: float = 60.0
    """From an answer to the next request."""
    unread_timeout: float = 60.0
    """For a client to take the next 64 KiB of an answer."""
    connections: int = 1000
    """From all clients."""
    connections_per_client: int = 100
    """From one IPv4 address, or one /64 network of IPv6."""
    requests: int = 500
    """How many requests are answered at a time."""


class Notices:
    """Tells the administrator which limits are reached: a line a minute for each, and not one for each client."""

    def __init__(self, limits: Limits, clock: IReactorTime) -> None:
        self._limits = limits
        self._clock = clock
        self._last: dict[str, float] = {}
        self._unsaid: Counter[str] = Counter()

    def reached(self, limit: str) -> None:
        """A field of :class:`Limits` was reached."""
        self._unsaid[limit] += 1
        now = self._clock.seconds()
        if now - self._last.get(limit, -BETWEEN_LINES) < BETWEEN_LINES:
            return
        self._last[limit] = now
        first, *others = limit.split("_")
        log.warn(
            "server.limits.{key} ({value:g}) is reached, {times} times since this was last said",
            key=first + "".join(map(str.capitalize, others)),
            value=getattr(self._limits, limit),
            times=self._unsaid.pop(limit),
        )
