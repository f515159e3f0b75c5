"""The options of a connection, which are those of the JDBC drivers, and of the client libraries that are used here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from .location import BadLocation

T = TypeVar("T")


class ConnectionOptions:
    """Options whose names have any case: each is taken by whoever honours it, and what is left has no effect."""

    def __init__(self, given: Mapping[str, str]) -> None:
        """``given`` has names in lower case."""
        self._left = dict(given)

    def without_effect(self) -> Iterator[str]:
        """A line about what nobody has taken, if there is anything."""
        if self._left:
            # Without a value it may be the end of a password.
            unnamed = "one without a value (& in a value is %26)"
            yield f"without effect here: {', '.join(name if value else unnamed for name, value in self._left.items())}"

    def take(self, *names: str) -> str | None:
        """The value of the first that is given, of several names for the same."""
        given = [self._left.pop(name.lower()) for name in names if name.lower() in self._left]
        return given[0] if given else None

    def flag(self, name: str) -> bool | None:
        """Whether something is switched on, for which the name alone is enough.  Raises :class:`BadLocation`."""
        return self.choice(name, {"true": True, "": True, "false": False})

    def choice(self, name: str, values: Mapping[str, T]) -> T | None:
        """What a word of any case stands for, of those in lower case.  Raises :class:`BadLocation`."""
        given = self.take(name)
        if given is None:
            return None
        try:
            return values[given.lower()]
        except KeyError:
            raise BadLocation(f"{name}: expected one of {', '.join(filter(None, values))}") from None

    def number(self, name: str) -> int | None:
        """A whole number.  Raises :class:`BadLocation`."""
        given = self.take(name)
        try:
            return None if given is None else int(given)
        except ValueError:
            raise BadLocation(f"{name}: expected a whole number") from None

    def refuse(self, reasons: Mapping[str, str]) -> None:
        """Raise :class:`BadLocation` if an option is given that must not be passed over; by name, with the reason."""
        for name, reason in reasons.items():
            if name.lower() in self._left:
                raise BadLocation(f"{name}: {reason}")
