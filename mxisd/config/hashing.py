"""``hashing``: lookups of hashed addresses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from .engine.section import Finding, Section, Value
from .engine.values import Duration, Positive, within

DAY = 24 * 3600


class Hashing(Section):
    """
    ``refresh``, ``rotation`` and ``delay`` are in seconds.

    ma1sd's ``rotation_policy``, ``delay`` and ``requests`` count if ``rotation`` is not set.
    """

    enabled: bool = True
    pepper_length: Annotated[int, Value(within(1, 43))] = 20
    rotation_policy: Literal["per_requests", "per_seconds"] | None = None
    hash_storage_type: Literal["in_memory", "sql"] = "in_memory"
    delay: Duration = 10
    requests: Positive = 10
    algorithms: tuple[Literal["sha256", "none"], ...] = ()
    refresh: Duration = 600
    rotation: Duration | None = None

    @property
    def understood(self) -> tuple[str, ...]:
        """The algorithms to look up with."""
        return self.algorithms or ("sha256", "none") if self.enabled else ("none",)

    @property
    def seconds_per_pepper(self) -> int | None:
        """After how long there is a new pepper; ``None`` for never."""
        if self.rotation is not None:
            return self.rotation or None
        return {"per_seconds": self.delay, "per_requests": None, None: DAY}[self.rotation_policy]

    @property
    def lookups_per_pepper(self) -> int | None:
        """After how many lookups there is a new pepper; ``None`` if they are not counted."""
        return self.requests if self.rotation is None and self.rotation_policy == "per_requests" else None

    @property
    def interval(self) -> int:
        """How often to see what is to be done, in seconds."""
        return min(self.refresh, self.seconds_per_pepper or self.refresh)

    def mistakes(self) -> Iterable[Finding]:
        if self.refresh < 1:
            yield Finding("refresh", "expected at least 1s")
        if self.rotation_policy == "per_seconds" and self.delay < 1:
            yield Finding("delay", "expected at least 1s")

    def cautions(self) -> Iterable[Finding]:
        if "sha256" not in self.understood:
            yield Finding("enabled" if not self.enabled else "algorithms", "clients send addresses in the clear")
