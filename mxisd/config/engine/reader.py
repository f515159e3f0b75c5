"""Reads a YAML file into sections, and reports all mistakes at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from msgspec import UNSET

from ...masking import masked
from . import document
from .document import Scalar, Tree
from .problems import ConfigError, is_within, join
from .section import Secret, Section, Told, Unfit
from .shape import Field, Shape, fields_of, known_keys, shape_of
from .strays import Strays
from .substitute import BadReference, leaves_some, substitute
from .values import BUILT_IN

S = TypeVar("S", bound=Section)


class Reading(NamedTuple, Generic[S]):
    """What was read: the section, the keys that were set, and what the administrator should know."""

    section: S
    given: tuple[str, ...]
    cautions: tuple[str, ...]


def read(kind: type[S], path: Path, text: str, environ: Mapping[str, str], strays: Strays) -> Reading[S]:
    """
    Read the text of a file as a section of the given kind.

    File names in it are relative to the directory of the file.  Raises :class:`ConfigError`.
    """
    reader = _Reader(kind, path.absolute().parent, environ, strays)
    tree, repeated = document.parse(text)
    section = reader.section(kind, tree, "")
    if reader.problems:
        raise ConfigError(problem.text for problem in sorted(reader.problems, key=lambda problem: problem.line))
    said = (*(f"{masked(path)}: {text}" for path, _, text in repeated), *reader.remarks)
    return Reading(section, tuple(reader.given), (*said, *(caution.text for caution in reader.cautions)))


_WRONG: Any = object()
"""In place of a value of which there is a problem."""


class _Note(NamedTuple):
    """What there is to say about a key; ``text`` begins with it."""

    path: str
    line: int
    text: str

    def is_about(self, keys: Collection[str]) -> bool:
        """Whether it is about one of the keys, or one below them."""
        return any(is_within(self.path, key) for key in keys)


class _Reader:
    """
    Reads values by their shapes.

    What is not set is ``UNSET``, which leads to the default; what is wrong is noted in ``problems``, and is ``_WRONG``,
    which leads to the default as well: it may be that nothing uses it.
    """

    def __init__(self, root: type[Section], directory: Path, environ: Mapping[str, str], strays: Strays) -> None:
        self._root = root
        self._directory = directory
        self._environ = environ
        self._strays = strays
        self._lines: dict[str, int] = {}
        self.problems: list[_Note] = []
        self.remarks: list[str] = []
        """What is to be told in any case; ``cautions`` are of the sections, and told if they are in use."""
        self.cautions: list[_Note] = []
        self.given: dict[str, None] = {}

    def section(self, kind: type[Section], tree: Tree, path: str) -> Any:
        if isinstance(tree, Scalar) and not tree.text:
            tree = document.Mapping({}, {}, tree.line)
        if not isinstance(tree, document.Mapping):
            return self._unfit(path or "the file", "a section with keys", tree)
        before = len(self.problems)
        self._lines |= {join(path, key): line for key, line in tree.lines.items()}
        fields = fields_of(kind)
        known = [key for field in fields for key in field.keys]
        for key in tree.items:
            if key not in known:
                self._stray(key, path, known)
        found = {field.name: self._field(field, tree, path) for field in fields}
        if any(found[field.name] is _WRONG and field.required for field in fields):
            return _WRONG
        section = kind(**{name: value for name, value in found.items() if value is not UNSET and value is not _WRONG})
        self._set_aside(section, path)
        if len(self.problems) <= before:
            for key, text in section.mistakes():
                self._problem(join(path, key), text)
            self._set_aside(section, path)
            for key, text in section.cautions():
                where = join(path, key)
                self.cautions.append(_Note(where, self._line(where), f"{masked(where)}: {text}"))
        return section

    def _set_aside(self, section: Section, path: str) -> None:
        """Of what nothing uses, problems need only be told, and what the sections say not even that."""
        unused = {join(path, key) for key in section.unused()}
        aside = [
            problem
            for problem in self.problems
            if problem.is_about(unused) and not (path in unused and problem.path.endswith("enabled"))
        ]
        self.problems = [problem for problem in self.problems if problem not in aside]
        self.cautions = [caution for caution in self.cautions if not caution.is_about(unused)]
        self.remarks += [f"{problem.text}: nothing uses it now" for problem in aside]

    def _stray(self, key: str, section: str, known: Sequence[str]) -> None:
        """A key that the section does not have: a slip of the finger, or what old servers did not look at."""
        path = join(section, key)
        if meant := self._strays.meant(key, section, known):
            self._problem(path, f"unknown key; did you mean {join(section, meant)}?")
        else:
            instead = self._strays.instead(key, section, known, known_keys(self._root))
            self._remark(path, f"has no effect, as in mxisd{instead}")

    def _field(self, field: Field, section: document.Mapping, path: str) -> Any:
        given = [key for key in field.keys if not _is_null(section.items.get(key))]
        if len(given) > 1 and given[0] == field.key and given[1] in field.shape.aliases:
            passed_over, *given = given
            self._remark(join(path, passed_over), f"has no effect beside {given[0]}, as in ma1sd")
        if len(given) > 1:
            return self._problem(join(path, given[1]), f"expected only one of {' and '.join(given)}")
        if given:
            value = self._given(field, section.items[given[0]], join(path, given[0]))
        elif field.shape.is_section:
            # Its keys may be required, and have something to say about their defaults.
            value = self.section(field.shape.base, Scalar(None, section.line), join(path, field.key))
        else:
            value = UNSET
        if value is UNSET and field.required:
            return self._problem(join(path, field.key), f"required: expected {field.shape.expected}")
        return value

    def _given(self, field: Field, tree: Tree, path: str) -> Any:
        if field.shape.base is Secret and path.endswith("File"):
            return self._from_file(field.shape, tree, path)
        value = self._value(field.shape, tree, path)
        if value is False and field.default is False:
            # Whoever switches off what is off anyway need not hear of it.
            self.given.pop(path, None)
        if isinstance(value, dict) and isinstance(field.default, dict) and field.shape.names:
            # Names that are set are like keys: each has its own default.
            return field.default | value
        return value

    def _value(self, shape: Shape, tree: Tree, path: str) -> Any:
        if shape.parse:
            return self._single(shape, tree, path)
        if shape.is_section:
            return self.section(shape.base, tree, path)
        if shape.is_mapping:
            return self._mapping(shape, tree, path)
        return self._list(shape, tree, path)

    def _list(self, shape: Shape, tree: Tree, path: str) -> Any:
        if not isinstance(tree, document.Sequence):
            # One value is a list of one: whoever names one role, or one server, means nothing else.
            value = self._value(shape.item, tree, path)
            return value if value is _WRONG else () if value is UNSET else (value,)
        found = []
        for index, item in enumerate(tree.items):
            below = f"{path}[{index}]"
            self._lines[below] = item.line
            value = self._value(shape.item, item, below)
            if value is UNSET:
                value = self._problem(below, f"expected {shape.item.expected}, found nothing")
            found.append(value)
        return _WRONG if _WRONG in found else tuple(found)

    def _mapping(self, shape: Shape, tree: Tree, path: str) -> Any:
        if not isinstance(tree, document.Mapping):
            return self._unfit(path, "names with values", tree)
        found = {}
        for name, item in tree.items.items():
            below = join(path, name)
            self._lines[below] = tree.lines[name]
            if not shape.has_name(name):
                self._stray(name, path, shape.names)
                continue
            value = self._value(shape.item, item, below)
            if value is not UNSET:
                found[name] = value
        if any(value is _WRONG for value in found.values()):
            return _WRONG
        # Names of which none has a value say nothing; no names at all say that there are none.
        return UNSET if tree.items and not found else found

    def _single(self, shape: Shape, tree: Tree, path: str) -> Any:
        if not isinstance(tree, Scalar):
            return self._unfit(path, shape.expected, tree)
        try:
            text = substitute(tree.text or "", self._environ)
        except BadReference as error:
            return self._problem(path, str(error))
        if leaves_some(tree.text or "", self._environ):
            self._remark(path, "${ in it is text, as in mxisd: it begins no environment variable that is set")
        if not text and (tree.text is None or not shape.may_be_empty):
            return UNSET
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            return self._problem(path, "expected text in Unicode")
        self.given[path] = None
        return self._parsed(shape, text, path)

    def _parsed(self, shape: Shape, text: str, path: str) -> Any:
        if shape.base is Path and not text.startswith(BUILT_IN):
            text = str(self._directory / text)
        try:
            value = shape.parse(text) if shape.parse else text
        except Unfit as unfit:
            found = masked(text) if unfit.found is None else unfit.found
            return self._problem(path, f"expected {unfit}" + ("" if shape.base is Secret else f", found {found!r}"))
        if isinstance(value, Told):
            self._remark(path, value.text)
            return value.value
        return value

    def _from_file(self, shape: Shape, tree: Tree, path: str) -> Any:
        """A secret from the file that a key names, without the newline at its end."""
        name = self._value(shape_of(Path), tree, path)
        if not isinstance(name, Path):
            return name
        try:
            text = name.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            return self._problem(path, f"cannot read {name}: {error.strerror}")
        except UnicodeDecodeError:
            return self._problem(path, f"cannot read {name}: not UTF-8")
        return self._parsed(shape, text, path) if text else self._problem(path, f"{name} is empty")

    def _unfit(self, path: str, expected: str, tree: Tree) -> Any:
        found = {document.Sequence: "a list", document.Mapping: "a section with keys", Scalar: "a single value"}
        return self._problem(path, f"expected {expected}, found {found[type(tree)]}")

    def _problem(self, path: str, text: str) -> Any:
        line = self._line(path)
        self.problems.append(_Note(path, line, f"{masked(path)}: {text}" + (f" (line {line})" if line else "")))
        return _WRONG

    def _remark(self, path: str, text: str) -> None:
        self.remarks.append(f"{masked(path)}: {text}")

    def _line(self, path: str) -> int:
        """Where a key is, or else the section that it is missing from; 0 for nowhere."""
        while path not in self._lines and path:
            path = path.rpartition(".")[0]
        return self._lines.get(path, 0)


def _is_null(tree: Tree | None) -> bool:
    return tree is None or (isinstance(tree, Scalar) and tree.text is None)
