"""The types of sections, as the reader sees them."""

from __future__ import annotations

from collections import abc
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from . import numbers, values
from .problems import join
from .section import Alias, Secret, Section, Unfit, Value
from .values import Parser

_PARSERS: dict[Any, Parser] = {
    str: str,
    Secret: Secret,
    bool: values.boolean,
    int: values.integer,
    Path: values.file_name,
}


class Shape(NamedTuple):
    """A type without its annotations; ``parse`` reads it from text, if it is a single value."""

    base: Any
    parse: Parser | None
    optional: bool
    aliases: tuple[str, ...]

    @property
    def is_section(self) -> bool:
        return isinstance(self.base, type) and issubclass(self.base, Section)

    @property
    def is_mapping(self) -> bool:
        return get_origin(self.base) is abc.Mapping

    @property
    def item(self) -> Shape:
        """What a list or a mapping is of."""
        return shape_of(get_args(self.base)[1 if self.is_mapping else 0])

    @property
    def may_be_empty(self) -> bool:
        """Whether an empty text is a value; for anything else it says that there is none."""
        return self.base is str and self.parse is str and not self.optional

    @property
    def names(self) -> tuple[str, ...]:
        """The names that a mapping has, if they are set."""
        kind = shape_of(get_args(self.base)[0]).base
        return get_args(kind) if get_origin(kind) is Literal else ()

    def has_name(self, name: str) -> bool:
        """Whether a mapping may have the name."""
        parse = shape_of(get_args(self.base)[0]).parse
        try:
            return parse is None or bool(parse(name))
        except Unfit:
            return False

    @property
    def expected(self) -> str:
        """What a single value has to be, in words."""
        try:
            if self.parse:
                self.parse("")
        except Unfit as unfit:
            return str(unfit)
        return "a single value" if self.parse else "a section with keys"


class Field(NamedTuple):
    """A field of a section: ``keys`` are all that give it its value, ``key`` is the one to speak of."""

    name: str
    key: str
    keys: tuple[str, ...]
    shape: Shape
    default: object

    @property
    def required(self) -> bool:
        return self.default is msgspec.NODEFAULT


@cache
def shape_of(kind: Any) -> Shape:
    parse, optional, aliases = None, False, []
    while True:
        if get_origin(kind) is Annotated:
            kind, *notes = get_args(kind)
            aliases += [note.name for note in notes if isinstance(note, Alias)]
            parse = next((note.parse for note in notes if isinstance(note, Value)), parse)
        elif get_origin(kind) in {Union, UnionType} and NoneType in get_args(kind):
            optional = True
            kind = Union[tuple(part for part in get_args(kind) if part is not NoneType)]  # noqa: UP007 - a tuple
        else:
            break
    if get_origin(kind) is Literal:
        parse = parse or _choice(get_args(kind))
    return Shape(kind, parse or _PARSERS.get(kind), optional, tuple(aliases))


@cache
def fields_of(kind: type[Section]) -> tuple[Field, ...]:
    found = []
    for field in msgspec.structs.fields(kind):
        shape = shape_of(field.type)
        keys = (field.encode_name, *shape.aliases)
        if shape.base is Secret:
            keys += tuple(f"{key}File" for key in keys)
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        found.append(Field(field.name, field.encode_name, keys, shape, default))
    return tuple(found)


def known_keys(kind: type[Section], path: str = "") -> Iterator[str]:
    """The paths of all keys of a section and of those below it; ``*`` stands for any name."""
    for field in fields_of(kind):
        shape, below = field.shape, join(path, field.key)
        yield below
        while get_origin(shape.base) in {tuple, abc.Mapping}:
            shape, below = shape.item, f"{below}.*" if shape.is_mapping else below
        if shape.is_section:
            yield from known_keys(shape.base, below)


def _choice(options: tuple[object, ...]) -> Parser:
    by_text = {str(option): option for option in options}

    def parse(text: str) -> object:
        if text in by_text:
            return by_text[text]
        number = numbers.number(text)
        if number is not None and number in options:
            return numbers.read_as(number, number, text)
        raise Unfit(f"one of {', '.join(by_text)}" if len(by_text) > 1 else str(options[0]))

    return parse
