"""What the subcommands share: how they are declared, and what they are called with."""

from __future__ import annotations

import os
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Callable, Coroutine
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeAlias

from msgspec import Struct

from ..config import Config, load
from ..config.place import USUAL, usual
from ..reactor import IReactor
from .output import Output


class ExitCode(IntEnum):
    """What the process exits with."""

    YES = 0
    """The answer is yes, or what was asked for is done."""

    NO = 1
    """The answer is no, or what was asked for was tried and failed."""

    NOT_TRIED = 2
    """The arguments or the configuration are wrong, or there is no answer, since a server cannot be asked."""


class CommandFailed(Exception):
    """What was asked for was tried, and failed; the message says why.  The exit code is :attr:`ExitCode.NO`."""


class Invocation(Struct, frozen=True):
    """One call of a subcommand: its options, where to print, and what it needs from the process."""

    options: Namespace
    output: Output
    reactor: IReactor

    @property
    def config_path(self) -> Path:
        """The configuration file that ``--config`` names, or the usual one."""
        path: Path | None = getattr(self.options, "config", None)
        return path or usual(os.environ)

    def config(self) -> Config:
        """The configuration that ``--config`` names.  Raises :class:`~mxisd.config.ConfigError`."""
        return load_config(self.config_path)


def load_config(path: Path) -> Config:
    """A configuration, with the environment of this process.  Raises :class:`~mxisd.config.ConfigError`."""
    return load(path, os.environ)


def in_words(error: Exception) -> str:
    """An expected error for people: an error of the operating system names the file first."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


# What a subcommand does; it may raise CommandFailed, and the errors that mxisd.cli.main expects.
Run: TypeAlias = Callable[[Invocation], Coroutine[Any, Any, ExitCode]]


class Subcommands:
    """Where modules add their subcommands."""

    def __init__(self, parser: ArgumentParser) -> None:
        self.list: list[tuple[str, str]] = []
        """Each subcommand with its line of help."""
        self._actions: dict[str, Any] = {"": _add_subparsers(parser, help="one of these:")}

    def add(self, name: str, run: Run, text: str) -> ArgumentParser:
        """
        Add a subcommand of one or two words (``notify test``), with a line of help.

        Returns its parser, for options of its own; those of :func:`shared` it has.
        """
        group, _, last = name.rpartition(" ")
        if group not in self._actions:
            self._actions[group] = _add_subparsers(self._actions[""].add_parser(group, parents=[shared()]))
        # The help of the whole command has a list of its own, with both words.
        listed = {"help": text} if group else {}
        parser: ArgumentParser = self._actions[group].add_parser(last, description=text, parents=[shared()], **listed)
        parser.set_defaults(run=run)
        self.list.append((name, text))
        return parser


def shared() -> ArgumentParser:
    """
    The options that all subcommands have, to be given before or after any word of the subcommand.

    They have no default, since the default of an inner parser would replace what an outer one has read.
    """
    parser = ArgumentParser(add_help=False, argument_default=SUPPRESS)
    parser.add_argument("-c", "--config", type=Path, metavar="FILE", help=f"the configuration file ({USUAL})")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _add_subparsers(parser: ArgumentParser, **more: str) -> Any:
    return parser.add_subparsers(title="commands", metavar="COMMAND", required=True, **more)
