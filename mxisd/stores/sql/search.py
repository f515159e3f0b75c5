"""Queries that search: how a term is written for each ``?``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from .query import Dialect, Query, skeleton

# Before LIKE there is what is compared.  After these it is SQLite's function like().
# PostgreSQL writes it ~~, too.
_OPERATOR = re.compile(
    r"""
      (?P<function> (?:\b(?:select|where|and|or|on|when|having) | [(,]) (?:\s*\bnot)? \s* )?
      (?: \b(?P<name>like|ilike|glob)\b | ~~\*? )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_TOKEN = re.compile(r"'+|\w+|->>?|\S")
# With what the right side of a comparison ends.  "<" and ">" do not bind as strongly either, "->" is another operator.
_ENDS = re.compile(
    r"""
      (?: and | or | xor | not | is | isnull | notnull | in | between | like | ilike | glob | match | regexp | rlike
        | similar | escape | then | else | when | end | as | asc | desc | nulls | where | on | using | join | inner
        | cross | natural | full | group | having | window | order | limit | offset | fetch | for | union | intersect
        | except | returning | lock
      )\b
    | (?:left|right)\b(?!\s*\()
    | [,;=<>!&]
    """,
    re.VERBOSE | re.IGNORECASE,
)
# One value, perhaps in brackets, and in functions that change its letters only.
_WHOLE = re.compile(
    r"(?:\s*(?:\b(?:lower|upper|lcase|ucase|unaccent)\s*)?\()*\s*\?\s*(?:::\s*\w+\s*)?[\s)]*(?:collate\s+\S+\s*)?[\s)]*",
    re.IGNORECASE,
)
_REPLACE = re.compile(r"\b(?:regexp_)?replace\s*\(", re.IGNORECASE)
_ESCAPE = re.compile(r"\s*escape\b(?:\s*\w?(?P<string>'+))?", re.IGNORECASE)
# No term has it, and no pattern that somebody would write.
_SQLITE_ESCAPE = "\x1b"


class Slot(Struct, frozen=True):
    """How a term is written for one ``?``."""

    literal: Callable[[str], str] = str
    """Makes wildcards stand for themselves."""
    parts: bool = False
    """Whether it stands between ``%``."""

    def value(self, term: str) -> str:
        literal = self.literal(term)
        return f"%{literal}%" if self.parts else literal


class Search(Struct, frozen=True):
    """A query all of whose values are the term, and what user IDs are in its rows (see ``Typed``)."""

    query: Query
    type: str | None
    slots: Sequence[Slot]

    def values(self, term: str) -> list[str]:
        return [slot.value(term) for slot in self.slots]

    @property
    def finds_parts(self) -> bool:
        """Whether parts of names find people for which the query has no wildcards."""
        return any(slot.parts for slot in self.slots)


class _Pattern(Struct, frozen=True):
    """A right side of ``LIKE``."""

    start: int
    end: int
    slot: Slot
    escape: str = ""
    """What the query needs after it."""


def search(text: str, dialect: Dialect, type_: str | None) -> Search:
    """
    A query that gets the term as it is; between ``%`` only for ``LIKE ?``, which would find nothing but whole names.

    Within a pattern the wildcards of a term stand for themselves: who searches must not find more than the query shows.
    """
    bare = skeleton(text, dialect)
    patterns = list(_patterns(text, bare, dialect))

    def slot(mark: int) -> Slot:
        # The innermost, which begins last.
        return next((pattern.slot for pattern in reversed(patterns) if pattern.start <= mark < pattern.end), Slot())

    slots = [slot(mark.start()) for mark in re.finditer(r"\?", bare)]
    for pattern in sorted(patterns, key=lambda it: it.end, reverse=True):
        text = text[: pattern.end] + pattern.escape + text[pattern.end :]
    return Search(Query(text, dialect), type_, slots)


def search_of_parts(text: str, dialect: Dialect, type_: str | None) -> Search:
    """A query that gets the term between ``%`` everywhere."""
    made = search(text, dialect, type_)
    return replace(made, slots=[replace(slot, parts=True) for slot in made.slots])


def _patterns(text: str, bare: str, dialect: Dialect) -> Iterator[_Pattern]:
    for operator in _OPERATOR.finditer(bare):
        name = operator["name"]
        if operator["function"] or (name is None and dialect != "postgresql"):
            continue
        start = operator.end()
        end = _end(bare, start)
        right = bare[start:end]
        if "?" not in right or _REPLACE.search(right):
            # Who replaces something has thought of wildcards: to escape them twice would let them loose.
            continue
        if name and name.lower() == "glob":
            yield _Pattern(start, end, Slot(_literal_in_glob))
            continue
        escape = "\\" if dialect != "sqlite" else _SQLITE_ESCAPE
        given = _ESCAPE.match(bare, end)
        if given:
            escape = _character(text[slice(*given.span("string"))])
        added = " ESCAPE char(27)" if dialect == "sqlite" and not given else ""
        yield _Pattern(start, end, Slot(_literal_in_like(escape), bool(_WHOLE.fullmatch(right))), added)


def _end(bare: str, start: int) -> int:
    depth = 0
    end = start
    for token in _TOKEN.finditer(bare, start):
        word = token[0].lower()
        if depth == 0 and _ENDS.match(bare, token.start()):
            break
        if word in {"(", "case"}:
            depth += 1
        elif word in {")", "end"}:
            depth -= 1
            if depth < 0:
                break
        end = token.end()
    return end


def _character(string: str) -> str:
    """The character in ``ESCAPE '…'``; empty if there is none."""
    content = string[1:-1]
    if len(content) == 2 and content[0] == content[1]:
        content = content[0]
    return content if len(content) == 1 else ""


def _literal_in_like(escape: str) -> Callable[[str], str]:
    if not escape:
        return str
    special = re.compile(f"[%_{re.escape(escape)}]")
    return lambda term: special.sub(lambda match: escape + match[0], term)


def _literal_in_glob(term: str) -> str:
    return re.sub(r"[*?\[]", r"[\g<0>]", term)
