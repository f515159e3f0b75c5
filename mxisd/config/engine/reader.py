"""Reads a YAML file into sections, and reports all mistakes at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from msgspec import UNSET

from . import document
from .document import Scalar, Tree
from .problems import ConfigError, join, suggestion
from .section import Secret, Section, Unfit
from .shape import Field, Shape, fields_of, known_keys, shape_of
from .substitute import BadReference, substitute

S = TypeVar("S", bound=Section)


class Reading(NamedTuple, Generic[S]):
    """What was read: the section, the keys that were set, and what the sections have to say to the administrator."""

    section: S
    given: tuple[str, ...]
    cautions: tuple[str, ...]


def read(kind: type[S], path: Path, environ: Mapping[str, str]) -> Reading[S]:
    """
    Read a file as a section of the given kind.

    File names in it are relative to its own directory.  Raises :class:`ConfigError`.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError([f"cannot read {path}: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"cannot read {path}: not UTF-8 at byte {error.start}"]) from None
    reader = _Reader(kind, path.absolute().parent, environ)
    section = reader.section(kind, document.parse(text), "")
    if reader.problems:
        raise ConfigError(problem for _, problem in sorted(reader.problems, key=lambda found: found[0]))
    return Reading(section, tuple(reader.given), tuple(reader.cautions))


_WRONG: Any = object()
"""In place of a value of which there is a problem."""


class _Reader:
    """
    Reads values by their shapes.

    What is not set is ``UNSET``, which leads to the default; what is wrong is noted in ``problems`` with its line, and
    is ``_WRONG``.
    """

    def __init__(self, root: type[Section], directory: Path, environ: Mapping[str, str]) -> None:
        self._root = root
        self._directory = directory
        self._environ = environ
        self._lines: dict[str, int] = {}
        self.problems: list[tuple[int, str]] = []
        self.cautions: list[str] = []
        self.given: dict[str, None] = {}

    def section(self, kind: type[Section], tree: Tree, path: str) -> Any:
        if isinstance(tree, Scalar) and not tree.text:
            tree = document.Mapping({}, {}, tree.line)
        if not isinstance(tree, document.Mapping):
            return self._unfit(path or "the file", "a section with keys", tree)
        before = len(self.problems)
        self._lines |= {join(path, key): line for key, line in tree.lines.items()}
        self._refuse_unknown(kind, tree, path)
        found = {field.name: self._field(field, tree, path) for field in fields_of(kind)}
        if len(self.problems) > before:
            return _WRONG
        section = kind(**{name: value for name, value in found.items() if value is not UNSET})
        for key, text in section.mistakes():
            self._problem(join(path, key), text)
        self.cautions += [f"{join(path, key)}: {text}" for key, text in section.cautions()]
        return section

    def _refuse_unknown(self, kind: type[Section], tree: document.Mapping, path: str) -> None:
        fields = fields_of(kind)
        known = {key for field in fields for key in field.keys}
        for key in tree.items:
            if key not in known:
                hint = suggestion(key, path, [field.key for field in fields], known_keys(self._root))
                self._problem(join(path, key), f"unknown key{hint}")

    def _field(self, field: Field, section: document.Mapping, path: str) -> Any:
        given = [key for key in field.keys if not _is_null(section.items.get(key))]
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
        if isinstance(value, dict) and isinstance(field.default, dict):
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
            return () if value is UNSET else (value,)
        found = []
        for index, item in enumerate(tree.items):
            below = f"{path}[{index}]"
            self._lines[below] = item.line
            value = self._value(shape.item, item, below)
            if value is UNSET:
                self._problem(below, f"expected {shape.item.expected}, found nothing")
            found.append(value)
        return tuple(found)

    def _mapping(self, shape: Shape, tree: Tree, path: str) -> Any:
        if not isinstance(tree, document.Mapping):
            return self._unfit(path, "names with values", tree)
        found = {}
        for name, item in tree.items.items():
            below = join(path, name)
            self._lines[below] = tree.lines[name]
            try:
                shape.check_name(name)
            except Unfit as unfit:
                self._problem(below, f"unknown key; expected {unfit}")
            value = self._value(shape.item, item, below)
            if value is not UNSET:
                found[name] = value
        return found

    def _single(self, shape: Shape, tree: Tree, path: str) -> Any:
        if not isinstance(tree, Scalar):
            return self._unfit(path, shape.expected, tree)
        try:
            text = substitute(tree.text or "", self._environ)
        except BadReference as error:
            return self._problem(path, str(error))
        if not text and (tree.text is None or not shape.may_be_empty):
            return UNSET
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            return self._problem(path, "expected text in Unicode")
        self.given[path] = None
        return self._parsed(shape, text, path)

    def _parsed(self, shape: Shape, text: str, path: str) -> Any:
        if shape.base is Path:
            text = str(self._directory / text)
        try:
            return shape.parse(text) if shape.parse else text
        except Unfit as unfit:
            shown = "" if shape.base is Secret else f", found {text!r}"
            return self._problem(path, f"expected {unfit}{shown}")

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
        self.problems.append((line, f"{path}: {text}" + (f" (line {line})" if line else "")))
        return _WRONG

    def _line(self, path: str) -> int:
        """Where a key is, or else the section that it is missing from; 0 for nowhere."""
        while path not in self._lines and path:
            path = path.rpartition(".")[0]
        return self._lines.get(path, 0)


def _is_null(tree: Tree | None) -> bool:
    return tree is None or (isinstance(tree, Scalar) and tree.text is None)
