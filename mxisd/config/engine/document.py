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

from .problems import ConfigError, join

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


class Repeated(NamedTuple):
    """A key that is given again on ``line``: what was said before counts for nothing."""

    path: str
    line: int
    text: str


def parse(text: str) -> tuple[Tree, list[Repeated]]:
    """Read one YAML document; of keys that are given twice the last one counts.  Raises :class:`ConfigError`."""
    try:
        # Only composes nodes: no tag ever makes an object.
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return Scalar(None, 1), []
        repeated = list(_repeated(node, "", ()))
        return _tree(loader, node), repeated
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


def _repeated(node: yaml.Node, path: str, above: tuple[yaml.Node, ...]) -> Iterator[Repeated]:
    """Keys given twice.  Must come before merge keys are resolved: these may repeat."""
    if node in above:
        line = node.start_mark.line + 1
        raise ConfigError([f"{path}: an alias that contains itself (line {line})"])
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _repeated(item, f"{path}[{index}]", (*above, node))
    elif isinstance(node, yaml.MappingNode):
        first: dict[str, tuple[int, yaml.Node]] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError([f"{path or 'the file'}: expected a name as key (line {line})"])
            name = join(path, key.value)
            if name in first and key.tag != f"{_TAG}merge":
                before, lost = first[name]
                twice = f"given twice (lines {before} and {line}): only the last counts, as in mxisd"
                yield Repeated(name, line, twice + _without_effect(lost))
            first[name] = (line, value)
            yield from _repeated(value, name, (*above, node))


def _without_effect(lost: yaml.Node) -> str:
    """What has no effect of a value; it may be a secret, and only keys are named."""
    names = ", ".join(sorted(_leaves(lost)))
    return f"; without effect: {names}" if names else ""


def _leaves(node: yaml.Node, path: str = "") -> set[str]:
    """The keys of a section, down to those with values."""
    if not isinstance(node, yaml.MappingNode):
        return {path} - {""}
    return {leaf for key, value in node.value for leaf in _leaves(value, join(path, str(key.value)))}


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
