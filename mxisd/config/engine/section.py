"""What the sections of the configuration are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, dataclass_transform

import msgspec

from ...masking import Secret

__all__ = ["Alias", "Finding", "Secret", "Section", "Told", "Unfit", "Value"]


class Finding(NamedTuple):
    """Something to say about a key, which is relative to the section that says it."""

    key: str
    text: str


# Says to type checkers what msgspec does by itself: subclasses inherit these settings.
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Section(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A mapping of the YAML file whose keys are known."""

    def unused(self) -> Iterable[str]:
        """
        Keys that nothing uses, by what others say: what is wrong with them, or below them, does not stop the start.

        The empty one is the whole section, except for ``enabled``, which says so.
        """
        return ()

    def mistakes(self) -> Iterable[Finding]:
        """What is wrong although each key alone is well: stops the start."""
        return ()

    def cautions(self) -> Iterable[Finding]:
        """What the administrator should know at start."""
        return ()


class Unfit(ValueError):
    """
    A value that is not what a key expects; the message completes "expected …".

    ``found`` is how to show the value, if not as any other.
    """

    def __init__(self, expected: str, found: str | None = None) -> None:
        super().__init__(expected)
        self.found = found


class Told(NamedTuple):
    """What a text was read as, where the administrator should know: ``text`` says it."""

    value: object
    text: str


class Value(NamedTuple):
    """Annotates a type with the function that reads it from its text: a value or :class:`Told`, else :class:`Unfit`."""

    parse: Callable[[str], object]


class Alias(NamedTuple):
    """Annotates a type with a second spelling of the key."""

    name: str
