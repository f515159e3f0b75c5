"""A configuration as it was understood, for people: secrets are not shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
import yaml

from ..masking import Secret, masked
from . import Config
from .engine.section import Section

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
"""Milliseconds."""


def dump(config: Config) -> str:
    """YAML with all keys, those that are not set too."""
    content = _plain(config)
    del content["warnings"]
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return {field.encode_name: _plain(getattr(value, field.name)) for field in msgspec.structs.fields(value)}
    if isinstance(value, Secret):
        return "…"
    if isinstance(value, timedelta):
        return _duration(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (tuple, list, frozenset)) and not hasattr(value, "_fields"):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, (bool, int)) else masked(str(value))


def _duration(time: timedelta) -> str:
    """As files have it, ``1h 30m``."""
    left = time // timedelta(milliseconds=1)
    parts = []
    for unit, size in _UNITS.items():
        number, left = divmod(left, size)
        parts += [f"{number}{unit}"] if number else []
    return " ".join(parts) or "0s"
