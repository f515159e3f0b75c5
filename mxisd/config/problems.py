"""What is wrong with a configuration, and what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class ConfigError(Exception):
    """A configuration that cannot be used, with everything that is wrong with it, a line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def suggestion(key: str, section: str, known_here: Sequence[str], known: Iterable[str]) -> str:
    """
    What may have been meant by an unknown key of a section.

    That is a key of this section that is spelt alike, the same key elsewhere, or any key of the section; ``known``
    has the paths of all keys.
    """
    by_case = {name.lower(): name for name in known_here}
    near = get_close_matches(key.lower(), by_case, n=1)
    if near:
        return f"did you mean {join(section, by_case[near[0]])}?"
    elsewhere = [path for path in known if path.rpartition(".")[2].lower() == key.lower()]
    if 0 < len(elsewhere) <= 3:
        return f"did you mean {' or '.join(elsewhere)}?"
    return f"expected one of {', '.join(known_here)}"


def join(section: str, key: str) -> str:
    """The path of a key in a section, which is empty for the whole file."""
    return f"{section}.{key}" if section and key else section or key
