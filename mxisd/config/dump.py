"""A configuration as it was understood, for people: secrets are not shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

from ..masking import Secret, masked
from . import Config
from .engine.section import Section


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
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (tuple, list, frozenset)) and not hasattr(value, "_fields"):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, (bool, int)) else masked(str(value))
