"""Reads a YAML file into sections, and reports all mistakes at once."""

from __future__ import annotations

from collections import abc
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from msgspec import NODEFAULT, UNSET
from msgspec.structs import fields

from . import document, values
from .document import Scalar, Tree
from .problems import ConfigError, join, suggestion
from .section import Alias, Secret, Section, Unfit, Value
from .substitute import BadReference, substitute


class Reading(NamedTuple):
    """What was read: the sections, the keys that were set, and what the sections have to say to the administrator."""

    sections: Any
    given: tuple[str, ...]
    cautions: tuple[str, ...]


def read(kind: type[Section], path: Path, environ: Mapping[str, str]) -> Reading:
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
    sections = reader.section(kind, document.parse(text), "")
    if reader.problems:
        raise ConfigError(problem for _, problem in sorted(reader.problems, key=lambda found: found[0]))
    return Reading(sections, tuple(reader.given), tuple(reader.cautions))


class _Shape(NamedTuple):
    """A type as the reader sees it: without ``None`` and annotations, and what reads it if it is a single value."""

    base: Any
    parse: Callable[[str], object] | None
    aliases: tuple[str, ...]


class _Field(NamedTuple):
    """A field of a section: ``keys`` are all that give it its value, ``key`` is the preferred one."""

    name: str
    key: str
    keys: tuple[str, ...]
    kind: Any
    default: object

    @property
    def required(self) -> bool:
        return self.default is NODEFAULT


_PARSERS: dict[Any, Callable[[str], object]] = {
    str: str,
    Secret: Secret,
    bool: values.boolean,
    int: values.integer,
    Path: Path,
}


@cache
def _shape(kind: Any) -> _Shape:
    if get_origin(kind) in {Union, UnionType}:
        (kind,) = (part for part in get_args(kind) if part is not NoneType)
    aliases: list[str] = []
    parse = None
    while get_origin(kind) is Annotated:
        kind, *notes = get_args(kind)
        aliases += [note.name for note in notes if isinstance(note, Alias)]
        parse = next((note.parse for note in notes if isinstance(note, Value)), parse)
        if get_origin(kind) in {Union, UnionType} and NoneType in get_args(kind):
            (kind,) = (part for part in get_args(kind) if part is not NoneType)
    if get_origin(kind) is Literal:
        parse = _choice(get_args(kind))
    return _Shape(kind, parse or _PARSERS.get(kind), tuple(aliases))


@cache
def _fields(kind: type[Section]) -> tuple[_Field, ...]:
    found = []
    for field in fields(kind):
        shape = _shape(field.type)
        keys = (field.encode_name, *shape.aliases)
        if shape.base is Secret:
            keys += tuple(f"{key}File" for key in keys)
        default = field.default if field.default_factory is NODEFAULT else field.default_factory()
        found.append(_Field(field.name, field.encode_name, keys, field.type, default))
    return tuple(found)


def _choice(options: tuple[object, ...]) -> Callable[[str], object]:
    by_text = {str(option): option for option in options}

    def parse(text: str) -> object:
        if text not in by_text:
            raise Unfit(f"one of {', '.join(by_text)}" if len(by_text) > 1 else str(options[0]))
        return by_text[text]

    return parse


def _expected(parse: Callable[[str], object]) -> str:
    try:
        parse("")
    except Unfit as unfit:
        return str(unfit)
    return "a single value"


def known_keys(kind: type[Section], path: str = "") -> Iterator[str]:
    """The paths of all keys of a section and those below it; ``*`` stands for any name, ``[]`` for any item."""
    for field in _fields(kind):
        inner, below = _shape(field.kind).base, join(path, field.key)
        yield below
        while get_origin(inner) in {tuple, abc.Mapping}:
            mapping = get_origin(inner) is abc.Mapping
            inner, below = _shape(get_args(inner)[1 if mapping else 0]).base, f"{below}{'.*' if mapping else '[]'}"
        if _is_section(inner):
            yield from known_keys(inner, below)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


class _Reader:
    def __init__(self, root: type[Section], directory: Path, environ: Mapping[str, str]) -> None:
        self._root = root
        self._directory = directory
        self._environ = environ
        self._lines: dict[str, int] = {}
        self.problems: list[tuple[int, str]] = []
        self.cautions: list[str] = []
        self.given: dict[str, None] = {}

    def section(self, kind: type[Section], tree: Tree, path: str) -> Any:
        """A section with its defaults where the file is silent; ``UNSET`` if anything is wrong with it."""
        if isinstance(tree, Scalar) and not tree.text:
            tree = document.Mapping({}, {}, tree.line)
        if not isinstance(tree, document.Mapping):
            return self._unfit(path or "the file", "a section with keys", tree)
        before = len(self.problems)
        for key, line in tree.lines.items():
            self._lines[join(path, key)] = line
        known = {key for field in _fields(kind) for key in field.keys}
        for key in tree.items:
            if key not in known:
                hint = suggestion(key, path, [field.key for field in _fields(kind)], known_keys(self._root))
                self._problem(join(path, key), f"unknown key; {hint}")
        found = {field.name: self._field(field, tree, path) for field in _fields(kind)}
        if len(self.problems) > before:
            return UNSET
        section = kind(**{name: value for name, value in found.items() if value is not UNSET})
        for key, text in section.mistakes():
            self._problem(join(path, key), text)
        self.cautions += [f"{join(path, key)}: {text}" for key, text in section.cautions()]
        return section

    def _field(self, field: _Field, section: document.Mapping, path: str) -> object:
        """The value of a field, ``UNSET`` for its default."""
        given = [key for key in field.keys if not _is_null(section.items.get(key))]
        if len(given) > 1:
            return self._problem(join(path, given[1]), f"expected only one of {' and '.join(given)}")
        value = self._given(field, section.items[given[0]], join(path, given[0])) if given else UNSET
        if value is UNSET and field.required:
            return self._missing(field, section, path)
        return value

    def _given(self, field: _Field, tree: Tree, path: str) -> object:
        shape = _shape(field.kind)
        if shape.base is Secret and path.endswith("File"):
            return self._from_file(shape, tree, path)
        value = self.value(field.kind, tree, path)
        if value is False and field.default is False:
            # Whoever switches off what is off anyway need not hear of it.
            self.given.pop(path, None)
        if isinstance(value, dict) and isinstance(field.default, dict):
            return field.default | value
        return value

    def _missing(self, field: _Field, section: document.Mapping, path: str) -> object:
        shape, path = _shape(field.kind), join(path, field.key)
        if _is_section(shape.base):
            return self.section(shape.base, Scalar(None, section.line), path)
        expected = _expected(shape.parse) if shape.parse else "a section with keys"
        return self._problem(path, f"required: expected {expected}")

    def value(self, kind: Any, tree: Tree, path: str) -> object:
        """A value of any type; ``UNSET`` for an empty one, and for a wrong one."""
        shape = _shape(kind)
        if shape.parse:
            return self._single(shape, shape.parse, tree, path)
        if _is_section(shape.base):
            return self.section(shape.base, tree, path)
        if get_origin(shape.base) is abc.Mapping:
            key_kind, item_kind = get_args(shape.base)
            return self._mapping(key_kind, item_kind, tree, path)
        return self._list(get_args(shape.base)[0], tree, path)

    def _list(self, kind: Any, tree: Tree, path: str) -> object:
        # One value is a list of one: an administrator with one role, or one server, means nothing else.
        items = tree.items if isinstance(tree, document.Sequence) else [tree]
        found = []
        for index, item in enumerate(items):
            below = f"{path}[{index}]" if isinstance(tree, document.Sequence) else path
            self._lines.setdefault(below, item.line)
            value = self.value(kind, item, below)
            if _is_null(item) and not _is_section(_shape(kind).base):
                self._problem(below, "expected a value, found nothing")
            if value is not UNSET:
                found.append(value)
        return tuple(found)

    def _mapping(self, key_kind: Any, kind: Any, tree: Tree, path: str) -> object:
        if not isinstance(tree, document.Mapping):
            return self._unfit(path, "a mapping of names to values", tree)
        found = {}
        for name, item in tree.items.items():
            below = join(path, name)
            self._lines[below] = tree.lines[name]
            try:
                _PARSERS.get(key_kind, _shape(key_kind).parse or str)(name)
            except Unfit as unfit:
                self._problem(below, f"unknown key; expected {unfit}")
                continue
            value = self.value(kind, item, below)
            if value is not UNSET:
                found[name] = value
        return found

    def _single(self, shape: _Shape, parse: Callable[[str], object], tree: Tree, path: str) -> object:
        if not isinstance(tree, Scalar):
            return self._unfit(path, _expected(parse), tree)
        try:
            text = substitute(tree.text or "", self._environ)
        except BadReference as error:
            return self._problem(path, str(error))
        # Text may be empty on purpose, anything else is then not set.
        if tree.text is None or (not text and parse is not str):
            return UNSET
        self.given[path] = None
        return self._parsed(shape, text, path)

    def _parsed(self, shape: _Shape, text: str, path: str) -> object:
        parse = shape.parse or str
        try:
            return parse(str(self._directory / text) if shape.base is Path else text)
        except Unfit as unfit:
            shown = "" if shape.base is Secret else f", found {text!r}"
            return self._problem(path, f"expected {unfit}{shown}")

    def _from_file(self, shape: _Shape, tree: Tree, path: str) -> object:
        """A secret from the file that a key names, without the newline at its end."""
        name = self.value(Path, tree, path)
        if not isinstance(name, Path):
            return UNSET
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
        """Note a problem.  Returns ``UNSET``, which stands for a value that cannot be used."""
        line = self._lines.get(path)
        self.problems.append((line or 0, f"{path}: {text}" + (f" (line {line})" if line else "")))
        return UNSET


def _is_null(tree: Tree | None) -> bool:
    return tree is None or (isinstance(tree, Scalar) and tree.text is None)
