"""Keys that no section has: slips of the finger, and what old servers did not look at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from .problems import join

# More than this helps nobody who looks for one.
_MANY = 10


class Strays(NamedTuple):
    """
    What to make of such keys.

    ``advice`` is what to write instead of those that are known, by path.  ``guarded`` are the beginnings of the paths
    where a key closes something: there one that is only alike to another is a mistake too.
    """

    advice: Mapping[str, str] = {}
    guarded: tuple[str, ...] = ()

    def meant(self, key: str, section: str, known_here: Sequence[str]) -> str | None:
        """The key that was meant by what must be a mistake; ``None`` if the key may be there for nothing."""
        if self._advice(key, section):
            return None
        if meant := slip(key, known_here) or slip(key.removesuffix("File"), known_here):
            return meant
        # Whole sections get to the first level by mistake, and are spelt well.
        near = _alike(key, known_here) if section else None
        guarded = near and f"{join(section, near)}.".startswith(self.guarded)
        return near if guarded or join(section, key).startswith(self.guarded) else None

    def instead(self, key: str, section: str, known_here: Sequence[str], known: Iterable[str]) -> str:
        """What to write instead, behind a semicolon, or nothing; ``known`` are the paths of all keys."""
        advice = self._advice(key, section)
        return f"; {advice}" if advice else _hint(key, section, known_here, known)

    def _advice(self, key: str, section: str) -> str | None:
        return self.advice.get(join(re.sub(r"\[\d+\]", "", section), key))


def slip(key: str, known: Iterable[str]) -> str | None:
    """
    The known key that somebody meant whose finger slipped once, or ``None``.

    That is one letter more, less, other or elsewhere, or another case, as which ``_`` and ``-`` count too.
    """
    typed = _plain(key)
    return next((name for name in known if _is_one_edit(typed, _plain(name))), None)


def _alike(key: str, known: Iterable[str]) -> str | None:
    """The known key that is spelt most alike, or ``None``."""
    plain = {_plain(name): name for name in known}
    near = get_close_matches(_plain(key), plain, n=1, cutoff=0.7)
    return plain[near[0]] if near else None


def _plain(key: str) -> str:
    return key.lower().replace("_", "").replace("-", "")


def _is_one_edit(typed: str, known: str) -> bool:
    """Whether two words differ in one letter, in the place of one, or not at all."""
    if abs(len(typed) - len(known)) > 1:
        return False
    if len(typed) != len(known):
        return known in _shortened(typed) or typed in _shortened(known)
    return typed == known or any(
        one == other and (at == place or typed[at] == known[place])
        for at, one in enumerate(_shortened(typed))
        for place, other in enumerate(_shortened(known))
    )


def _shortened(word: str) -> list[str]:
    """A word without its first letter, without its second one, and so on."""
    return [word[:at] + word[at + 1 :] for at in range(len(word))]


def _hint(key: str, section: str, known_here: Sequence[str], known: Iterable[str]) -> str:
    """
    What may have been meant by a key that a section does not have, or nothing.

    That is the same key elsewhere, or any key of a small section.  ``known`` has the paths of all keys.
    """
    known = tuple(known)
    if join(section, key) in known:
        return "; write it as nested sections, a line for each part"
    elsewhere = [path for path in known if path.rpartition(".")[2].lower() == key.lower()]
    elsewhere = [path for path in elsewhere if path.startswith(f"{section}.")] or elsewhere
    if 0 < len(elsewhere) <= _MANY // 3:
        return f"; did you mean {' or '.join(elsewhere)}?"
    shown = [name for name in known_here if name.removesuffix("File") == name or name[:-4] not in known_here]
    return f"; the keys here are {', '.join(shown)}" if 0 < len(shown) <= _MANY else ""
