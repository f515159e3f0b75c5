"""``hashing``: lookups of hashed addresses."""

from __future__ import annotations

from typing import Annotated, Literal

from .section import Section, Value
from .values import Duration, Positive, within


class Hashing(Section):
    """``refresh``, ``rotation`` and ``delay`` are in seconds."""

    enabled: bool = True
    pepper_length: Annotated[int, Value(within(1, 43))] = 20
    rotation_policy: Literal["per_requests", "per_seconds"] | None = None
    hash_storage_type: Literal["in_memory", "sql"] = "in_memory"
    delay: Duration = 10
    requests: Positive = 10
    algorithms: tuple[Literal["sha256", "none"], ...] = ()
    refresh: Duration = 600
    rotation: Duration | None = None
