"""What is wrong with a configuration, and what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from ...errors import StartError

# More than this helps nobody who looks for one.
_MANY = 10


class ConfigError(StartError):
    """A configuration that cannot be used, with everything that is wrong with it, a line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def suggestion(key: str, section: str, known_here: Sequence[str], known: Iterable[str]) -> str:
    """
    What may have been meant by an unknown key of a section, or nothing.

    That is a key of this section that is spelt alike, the same key elsewhere, or any key of a small section.  ``known``
    has the paths of all keys.
    """
    known = tuple(known)
    if join(section, key) in known:
        return "; write it as nested sections, a line for each part"
    by_case = {name.lower(): name for name in known_here}
    if near := get_close_matches(key.lower(), by_case, n=1, cutoff=0.7):
        return f"; did you mean {join(section, by_case[near[0]])}?"
    elsewhere = [path for path in known if path.rpartition(".")[2].lower() == key.lower()]
    elsewhere = [path for path in elsewhere if path.startswith(f"{section}.")] or elsewhere
    if 0 < len(elsewhere) <= _MANY // 3:
        return f"; did you mean {' or '.join(elsewhere)}?"
    return f"; expected one of {', '.join(known_here)}" if len(known_here) <= _MANY else ""


def join(section: str, key: str) -> str:
    """The path of a key in a section, which is empty for the whole file."""
    return f"{section}.{key}" if section and key else section or key
