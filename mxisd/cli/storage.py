"""``mxisd storage``: copy everything from one storage to another."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

from twisted.internet.defer import maybeDeferred

from ..config import Config
from ..errors import StartError
from ..keys.copy import KeyPlace, copy_keys
from ..reactor import IReactor
from ..storage.archive import Kept
from ..storage.contract import StorageUnavailable
from ..storage.copy import CopyFailed, Report, Summary, copy
from ..storage.engine import engine
from .command import CommandFailed, ExitCode, Invocation, Subcommands, in_words, load_config

HEADERS = ("kind", "records", "checksum")


def add(subcommands: Subcommands) -> None:
    """Declare the subcommands of this module, and their options."""
    text = "copy everything from one storage to another; stop mxisd before"
    parser = subcommands.add("storage copy", run_copy, text)
    parser.add_argument(
        "-f",
        "--from",
        dest="source",
        type=Path,
        metavar="FILE",
        help="the configuration of the storage to read (that of --config)",
    )
    parser.add_argument(
        "-t",
        "--to",
        dest="target",
        type=Path,
        metavar="FILE",
        required=True,
        help="the configuration of the storage to fill",
    )


async def run_copy(invocation: Invocation) -> ExitCode:
    """Copy, and print what is on both sides in the end."""
    options = invocation.options
    source = load_config(options.source or invocation.config_path)
    target = load_config(options.target)
    try:
        summaries = await copy_storage(invocation.reactor, source, target, ProgressBar(sys.stderr))
    except (CopyFailed, StorageUnavailable, StartError, OSError) as error:
        raise CommandFailed(in_words(error)) from None
    rows = [(kind.__name__, len(found.hashes), found.checksum) for kind, found in summaries.items()]
    invocation.output.table("kinds", HEADERS, rows)
    invocation.output.line("both storages have the same content", copied=True)
    return ExitCode.YES


async def copy_storage(reactor: IReactor, source: Config, target: Config, report: Report) -> dict[type[Kept], Summary]:
    """
    Copy from the storage of one configuration to that of another, the signing keys too.

    Returns what is on both sides.  Raises :class:`~mxisd.storage.copy.CopyFailed`,
    :class:`~mxisd.storage.contract.StorageUnavailable`, :class:`~mxisd.errors.StartError`, :class:`OSError`.
    """
    if source.storage == target.storage:
        raise CopyFailed("both configurations name the same storage")
    database = source.storage.provider.sqlite.database
    if source.storage.backend == "sqlite" and not database.exists():
        raise CopyFailed(f"there is no database {database}")
    engines = [engine(config.storage, reactor) for config in (source, target)]
    for each in engines:
        each.startService()
    try:
        for each in engines:
            await each.ready()
        old, new = (each.storage for each in engines)
        summaries = await copy(old, new, report)
        await copy_keys(KeyPlace(source.key.path, old.keys), KeyPlace(target.key.path, new.keys))
    finally:
        for each in engines:
            await maybeDeferred(each.stopService)
    return summaries


class ProgressBar:
    """A line for each kind of record that grows on a terminal; elsewhere nothing is written."""

    WIDTH = 40

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, kind: type[Kept], done: int, total: int) -> None:
        if not self._out.isatty():
            return
        filled = self.WIDTH * done // total if total else self.WIDTH
        bar = "#" * filled + "." * (self.WIDTH - filled)
        end = "\n" if done == total else ""
        self._out.write(f"\r{kind.__name__:<14}[{bar}] {done:,} of {total:,}{end}")
        self._out.flush()
