"""
Regular expressions of Java, in the syntax of RE2.

What Java has and RE2 has not is translated where that means exactly the same, and refused otherwise: a pattern that is
read in a wider sense lets somebody in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import re2

# What stands for one character, or for an assertion, behind a backslash.
_ESCAPE = r"""\\(?: [pP] (?: \{[^}]*\} | [A-Za-z] ) | x\{[0-9A-Fa-f]+\} | x[0-9A-Fa-f]{2} | u[0-9A-Fa-f]{4}
    | 0[0-7]{1,3} | c. | k<[^>]*> | . )"""
_TOKEN = re.compile(
    rf"""(?P<quoted> \\Q (?P<text>.*?) (?: \\E | $ ) )
    | (?P<class> \[ \^? \]? (?: {_ESCAPE} | [^\]\\] )* \] )
    | (?P<escape> {_ESCAPE} )
    | (?P<group> \( (?: \? (?: <(?P<name>[A-Za-z][A-Za-z0-9]*)> | <?[=!] | > | (?P<flags>[A-Za-z-]*) [:)] ) )? )
    | (?P<close> \) )
    | (?P<quantifier> (?: [*+?] | \{{\d+(?:,\d*)?\}} ) )(?P<how> [+?]? )
    | (?P<other> . )""",
    re.VERBOSE | re.DOTALL,
)
# Java's classes of ASCII characters, and what they are called in RE2.
_CLASSES = {
    name: name.lower()
    for name in ("Lower", "Upper", "ASCII", "Alpha", "Digit", "Alnum", "Punct", "Graph", "Print", "Blank", "Cntrl")
} | {"XDigit": "xdigit", "Space": "space"}
# What RE2 does not have, or has for something else.
_SETS = {
    "h": r" \t\x{a0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}",
    "v": r"\n\x{b}\f\r\x{85}\x{2028}\x{2029}",
    "e": r"\x{1b}",
}
_SAME = set("dDwWsSbBAztnrfapP")
# A character that stands for itself.
_LITERAL = re.compile(r"(?:\\(?=\W))?((?<=\\)\W|[^\\.\[])")
# What RE2 would take for plain characters, and more groups than anybody means.
_MOST, _DEEPEST = 1000, 1000
# Characters beyond ASCII that count as letters of it where case does not.
_FOLDED = "\u017f\u212a"


class Untranslatable(ValueError):
    """An expression that has no equal in RE2; the message names what it is about."""


class _Atom(NamedTuple):
    """A part of an expression: in RE2, and, if it stands for one character, that alone."""

    text: str
    one: str | None = None
    how: str | None = None
    """For a quantifier: ``+`` if it is possessive, ``?`` if it is lazy, else empty."""


def translated(pattern: str) -> str:
    """The expression in the syntax of RE2, to be matched against whole texts.  Raises :class:`Untranslatable`."""
    atoms = list(_atoms(pattern))
    if pattern.count("(") > _DEEPEST:
        raise Untranslatable(f"more than {_DEEPEST} groups")
    for at, atom in enumerate(atoms):
        if atom.how == "+" and not _gives_nothing_back(atoms[at - 1] if at else None, atoms[at + 1 :]):
            raise Untranslatable(f"possessive quantifier {atom.text}+: without it, it would match more")
    return "".join(atom.text for atom in atoms)


def _atoms(pattern: str) -> Iterator[_Atom]:
    for match in _TOKEN.finditer(pattern):
        if match["quoted"]:
            yield from (_Atom(re2.escape(character), re2.escape(character)) for character in match["text"])
        elif match["class"]:
            text = _class(match["class"])
            yield _Atom(text, text)
        elif match["escape"]:
            text = _escape(match["escape"], within=False)
            yield _Atom(text, None if match["escape"] in {r"\b", r"\B", r"\A", r"\z"} else text)
        elif match["group"]:
            yield _Atom(_group(match))
        elif match["quantifier"]:
            if any(int(count) > _MOST for count in re.findall(r"\d+", match["quantifier"][:99])):
                raise Untranslatable(f"repetition of more than {_MOST} times")
            how = match["how"]
            yield _Atom(match["quantifier"] + how.replace("+", ""), how=how)
        else:
            text = match["close"] or match["other"]
            yield _Atom(text, None if text in {")", "|", "^", "$"} else text)


def _group(match: re.Match[str]) -> str:
    if match["name"]:
        return f"(?P<{match['name']}>"
    if match["flags"] is None and match["group"] != "(":
        kind = "atomic groups" if match["group"] == "(?>" else "looking ahead or behind"
        raise Untranslatable(f"{kind}, {match['group']}…)")
    if odd := set(match["flags"] or "") - set("ims-"):
        raise Untranslatable(f"the flag {min(odd)}")
    return match["group"]


def _escape(text: str, within: bool) -> str:
    """What stands behind a backslash; ``within`` a class, or not."""
    kind, rest = text[1], text[2:]
    if kind == "k" or kind in "123456789":
        raise Untranslatable(f"what refers back to a group, {text}")
    if kind in "pP" and (name := rest.strip("{}")) in _CLASSES:
        found = f"[:{'^' if kind == 'P' else ''}{_CLASSES[name]}:]"
        return found if within else f"[{found}]"
    if kind in "xu0" and rest:
        return rf"\x{{{int(rest.strip('{}'), 8 if kind == '0' else 16):x}}}"
    if kind == "c":
        return rf"\x{{{ord(rest) ^ 64:x}}}"
    if kind in _SETS:
        return _SETS[kind] if within else f"[{_SETS[kind]}]"
    if kind.isascii() and kind.isalnum() and kind not in _SAME:
        raise Untranslatable(text)
    return text if kind.isascii() else re2.escape(kind)


def _class(text: str) -> str:
    inner = re.match(r"\[\^?\]?", text)
    start = inner[0] if inner else ""
    found = [start]
    for part in re.findall(rf"{_ESCAPE}|.", text[len(start) : -1], re.VERBOSE | re.DOTALL):
        if part == "[":
            raise Untranslatable("[…] within […]")
        found.append(_escape(part, within=True) if part[0] == "\\" else part)
    if "&&" in text:
        raise Untranslatable("&& within […]")
    return f"{''.join(found)}]"


def _gives_nothing_back(repeated: _Atom | None, after: list[_Atom]) -> bool:
    """
    Whether a possessive quantifier matches what the greedy one does: nothing of what it repeats can be what comes next.

    That is so at the end, and before characters that the repeated one cannot be, up to one that has to be there.
    """
    if repeated is None or repeated.one is None:
        return False
    for at, following in enumerate(after):
        if following.how is not None or following.text == "$":
            continue
        if following.one is None or _overlap(repeated.one, following.one):
            return False
        quantifier = after[at + 1] if at + 1 < len(after) else None
        if quantifier is None or quantifier.how is None or quantifier.text[0] == "+":
            return True
    return True


def _overlap(one: str, other: str) -> bool:
    """Whether a character can be both; yes, if that is not known."""
    candidates: list[str]
    if _is_ascii(one) and _is_ascii(other):
        candidates = [*map(chr, range(128)), *_FOLDED]
    elif literal := _LITERAL.fullmatch(one) or _LITERAL.fullmatch(other):
        candidates = [literal[1]]
    else:
        return True
    tests = [re2.compile(f"(?i){text}") for text in (one, other)]
    return any(all(test.fullmatch(character) for test in tests) for character in candidates)


def _is_ascii(text: str) -> bool:
    """Whether what stands for one character can be none beyond ASCII, as far as that is easily seen."""
    return text.isascii() and text != "." and not re.search(r"\[\^|\[:\^|\\[pPxDSW]", text)
