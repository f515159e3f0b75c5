"""
YAML into a tree that keeps each value's own text and line.

The text, since what it means depends on the key: a version ``1.10`` is no number, nor is a password ``0123`` or ``on``,
and what an environment variable brings has no type at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml
from yaml.reader import ReaderError

from .problems import ConfigError

_TAG = "tag:yaml.org,2002:"
_KNOWN_TAGS = {_TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "value", "seq", "map")}


class Scalar(NamedTuple):
    """A single value; ``text`` is ``None`` where the file says nothing, or ``null``."""

    text: str | None
    line: int


class Sequence(NamedTuple):
    items: list[Tree]
    line: int


class Mapping(NamedTuple):
    items: dict[str, Tree]
    lines: dict[str, int]
    line: int


Tree = Scalar | Sequence | Mapping


def parse(text: str) -> Tree:
    """Read one YAML document.  Raises :class:`ConfigError` for bad syntax, and for keys that are given twice."""
    try:
        # Only composes nodes: no tag ever makes an object.
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return Scalar(None, 1)
        problems = list(_duplicates(node, "", ()))
        if problems:
            raise ConfigError(problems)
        return _tree(loader, node)
    except RecursionError:
        raise ConfigError(["not YAML: nested too deeply"]) from None
    except ReaderError as error:
        before = text[: error.position].split("\n")
        what = f"not YAML: the character U+{error.character:04X} is not allowed"
        raise ConfigError([f"line {len(before)}, column {len(before[-1]) + 1}: {what}"]) from None
    except yaml.MarkedYAMLError as error:
        what = f"not YAML: {', '.join(filter(None, (error.context, error.problem)))}"
        raise ConfigError([_at(error.problem_mark or error.context_mark, what)]) from None


def _at(mark: Any, text: str) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}: {text}"


def _duplicates(node: yaml.Node, path: str, above: tuple[yaml.Node, ...]) -> Iterator[str]:
    """Keys given twice; PyYAML would take the last.  Must come before merge keys are resolved: these may repeat."""
    if node in above:
        line = node.start_mark.line + 1
        raise ConfigError([f"{path}: an alias that contains itself (line {line})"])
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _duplicates(item, f"{path}[{index}]", (*above, node))
    elif isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                yield f"{path or 'the file'}: expected a name as key (line {line})"
                continue
            name = f"{path}.{key.value}" if path else str(key.value)
            if name in first:
                yield f"{name}: given twice (lines {first[name]} and {line})"
            first.setdefault(name, line)
            yield from _duplicates(value, name, (*above, node))


def _tree(loader: Any, node: yaml.Node) -> Tree:
    line = node.start_mark.line + 1
    if node.tag not in _KNOWN_TAGS:
        raise ConfigError([_at(node.start_mark, f"the tag {node.tag} has no meaning here")])
    if isinstance(node, yaml.SequenceNode):
        return Sequence([_tree(loader, item) for item in node.value], line)
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        pairs = [(key.value, key, value) for key, value in node.value]
        return Mapping(
            {name: _tree(loader, value) for name, _, value in pairs},
            {name: key.start_mark.line + 1 for name, key, _ in pairs},
            line,
        )
    return Scalar(None if node.tag == _TAG + "null" else node.value, line)
