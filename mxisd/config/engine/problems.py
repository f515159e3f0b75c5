"""What is wrong with a configuration."""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import StartError


class ConfigError(StartError):
    """A configuration that cannot be used, with everything that is wrong with it, a line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def join(section: str, key: str) -> str:
    """The path of a key in a section, which is empty for the whole file."""
    return f"{section}.{key}" if section and key else section or key


def is_within(key: str, section: str) -> bool:
    """Whether a key is a section, or a list, itself or somewhere in it."""
    return key == section or key.startswith((f"{section}.", f"{section}["))
