"""``mxisd storage``: copy everything from one storage to another, or to a file and back."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from twisted.internet.defer import maybeDeferred

from ..config import Config
from ..config.storage import Provider, SQLite
from ..config.storage import Storage as Settings
from ..errors import StartError
from ..keys.copy import KeyPlace, copy_keys
from ..reactor import IReactor
from ..storage.archive import Kept
from ..storage.contract import Storage, StorageUnavailable
from ..storage.copy import CopyFailed, Report, Summary, copy
from ..storage.engine import OpenEngine, back_up, engine
from ..waiting import within
from .command import CommandFailed, ExitCode, Invocation, Subcommands, in_words, load_config

HEADERS = ("kind", "records", "checksum")
# Seconds.  Who gives a command wants to know when a server is away.
READY_WITHIN = 30.0


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
    text = "copy what is stored in SQLite to a file, while mxisd runs"
    parser = subcommands.add("storage backup", run_backup, text)
    parser.add_argument("file", type=Path, metavar="FILE", help="the file to make")
    text = "fill an empty storage, of whatever kind, with what is in such a file; stop mxisd before"
    parser = subcommands.add("storage restore", run_restore, text)
    parser.add_argument("file", type=Path, metavar="FILE", help="the file to read")


async def run_copy(invocation: Invocation) -> ExitCode:
    """Copy, and print what is on both sides in the end."""
    options = invocation.options
    source = load_config(options.source or invocation.config_path)
    target = load_config(options.target)
    with _in_words():
        summaries = await copy_storage(invocation.reactor, source, target, ProgressBar(sys.stderr))
    _print(invocation, summaries)
    invocation.output.line("both storages have the same content", copied=True)
    return ExitCode.YES


async def run_backup(invocation: Invocation) -> ExitCode:
    """Back up, and print how much it is."""
    config, file = invocation.config(), invocation.options.file
    with _in_words():
        counts = back_up(config.storage, file)
    invocation.output.table("tables", ("table", "rows"), list(counts.items()))
    also = f"; keep {config.key.path} too, which has the signing keys" if config.key.path else ""
    invocation.output.line(f"{file} has all that was stored at this moment{also}", file=str(file))
    return ExitCode.YES


async def run_restore(invocation: Invocation) -> ExitCode:
    """Restore, and print what is in the storage in the end."""
    with _in_words():
        summaries = await restore(
            invocation.reactor, invocation.options.file, invocation.config().storage, ProgressBar(sys.stderr)
        )
    _print(invocation, summaries)
    invocation.output.line("the storage has what the file has", restored=True)
    return ExitCode.YES


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except (CopyFailed, StorageUnavailable, StartError, OSError) as error:
        raise CommandFailed(in_words(error)) from None


def _print(invocation: Invocation, summaries: dict[type[Kept], Summary]) -> None:
    rows = [(kind.__name__, len(found.hashes), found.checksum) for kind, found in summaries.items()]
    invocation.output.table("kinds", HEADERS, rows)


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
    async with opened(reactor, engine(source.storage, reactor), engine(target.storage, reactor)) as (old, new):
        summaries = await copy(old, new, report)
        await copy_keys(KeyPlace(source.key.path, old.keys), KeyPlace(target.key.path, new.keys))
    return summaries


async def restore(reactor: IReactor, file: Path, target: Settings, report: Report) -> dict[type[Kept], Summary]:
    """Fill an empty storage from what :func:`back_up` made.  Returns, and raises, what :func:`copy_storage` does."""
    with TemporaryDirectory(prefix="mxisd-") as folder:
        # An older one is upgraded to be read: the file itself must stay as it is.
        database = Path(shutil.copy(file, folder))
        source = Settings(provider=Provider(sqlite=SQLite(database=database)))
        async with opened(reactor, engine(source, reactor), engine(target, reactor)) as (old, new):
            return await copy(old, new, report)


@asynccontextmanager
async def opened(reactor: IReactor, *engines: OpenEngine) -> AsyncIterator[list[Storage]]:
    """The storages of engines, which are started, and stopped in the end.  Raises :class:`StorageUnavailable`."""
    for each in engines:
        each.startService()
    try:
        for each in engines:
            late = StorageUnavailable(f"{each.name} could not be reached within {READY_WITHIN:g} seconds")
            await within(READY_WITHIN, reactor, each.ready(), late)
        yield [each.storage for each in engines]
    finally:
        for each in engines:
            await maybeDeferred(each.stopService)


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
