"""``mxisd-storage copy``: carry all that one engine keeps to another one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import reduce
from hashlib import sha256
from operator import xor
from pathlib import Path
from typing import TextIO

from msgspec import Struct, msgpack
from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from ..config import Config, ConfigError, load
from ..errors import StartError
from ..reactor import IReactor
from ..storage.archive import END, KINDS, START, Archive, Kept
from ..storage.contract import KeyStorage, Storage, StorageUnavailable
from ..storage.engine import engine
from ..storage.records import Session

# What is told of the progress: the kind, how many of it are done, and how many there are.
Report = Callable[[type[Kept], int, int], None]


class CopyFailed(Exception):
    """The copy cannot be made, or is not good; the message says why."""


class Summary(Struct, frozen=True):
    """What an engine keeps of a kind: 64 bits of the hash of each record."""

    hashes: frozenset[int]

    @property
    def checksum(self) -> str:
        return f"{reduce(xor, self.hashes, 0):016x}"


async def copy(source: Storage, target: Storage, report: Report) -> dict[type[Kept], Summary]:
    """
    Copy everything, or what is still missing after an interruption, and compare.

    Both must not be in use.  Returns what was found on both sides.  Raises :class:`CopyFailed`.
    """
    await _check_target(target.archive)
    summaries = {}
    for kind in KINDS:
        summaries[kind] = await summary(source.archive, kind)
        await _copy_kind(kind, source.archive, target.archive, len(summaries[kind].hashes), report)
    await _index(source, target)
    for kind in KINDS:
        _compare(kind, summaries[kind], await summary(target.archive, kind))
    await target.archive.forget_positions()
    return summaries


async def _check_target(archive: Archive) -> None:
    """A copy that was interrupted goes on; into anything else that is not empty none is made."""
    if any([await archive.reached(kind) != START for kind in KINDS]):
        return
    for kind in KINDS:
        position = START
        while position != END:
            records, position = await archive.pack(kind, position)
            if records:
                raise CopyFailed("the target is not empty, and not from a copy that was interrupted")


async def _copy_kind(kind: type[Kept], source: Archive, target: Archive, total: int, report: Report) -> None:
    done = 0
    position = await target.reached(kind)
    while position != END:
        records, position = await source.pack(kind, position)
        await target.unpack(kind, records, position)
        done += len(records)
        if done < total:
            report(kind, done, total)
    report(kind, total, total)


async def _index(source: Storage, target: Storage) -> None:
    """Let clients go on with the pepper that they know."""
    for pepper in (await source.hashes.peppers())[:1]:
        if await target.hashes.prepare(pepper, after=None):
            await target.hashes.publish(pepper.pepper, keep=1)


async def summary(archive: Archive, kind: type[Kept]) -> Summary:
    """Read all of a kind."""
    hashes: set[int] = set()
    position = START
    while position != END:
        records, position = await archive.pack(kind, position)
        hashes.update(int.from_bytes(sha256(msgpack.encode(record)).digest()[:8]) for record in records)
    return Summary(frozenset(hashes))


def _compare(kind: type[Kept], source: Summary, target: Summary) -> None:
    missing = len(source.hashes - target.hashes)
    # Sessions go away by themselves.
    surplus = 0 if kind is Session else len(target.hashes - source.hashes)
    if missing or surplus:
        raise CopyFailed(
            f"{kind.__name__}: {missing} of {len(source.hashes)} records are missing or different in the copy, "
            f"and {surplus} are there that should not be; was one of the two in use?"
        )


async def copy_keys(source: Config, keys: KeyStorage, target: Config, new_keys: KeyStorage) -> None:
    """Let the target sign with the same keys, be they in files or with everything else.  Raises :class:`CopyFailed`."""
    content = await _signing_keys(source.key.path, keys)
    if content is None:
        return
    if target.key.path is None:
        found = await new_keys.signing_keys(lambda: content)
    else:
        found = _read(target.key.path) or _write(target.key.path, content)
    if found != content:
        raise CopyFailed(f"{target.key.path or 'the target'} has other signing keys; remove them if nothing uses them")


async def _signing_keys(path: Path | None, keys: KeyStorage) -> bytes | None:
    def none() -> bytes:
        raise LookupError

    if path is not None:
        return _read(path)
    try:
        return await keys.signing_keys(none)
    except LookupError:
        return None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write(path: Path, content: bytes) -> bytes:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123  # for its mode
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return content


class Bar:
    """A line for each kind that grows where somebody looks on."""

    WIDTH = 40

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, kind: type[Kept], done: int, total: int) -> None:
        finished = done == total
        if not finished and not self._out.isatty():
            return
        filled = self.WIDTH * done // total if total else self.WIDTH
        bar = "#" * filled + "." * (self.WIDTH - filled)
        self._out.write(f"\r{kind.__name__:<14}[{bar}] {done:,} of {total:,}")
        if finished:
            self._out.write("\n")
        self._out.flush()


class CopyOptions(UsageOptions):
    """Carry everything from one storage to another.  Stop mxisd first; if it is interrupted, start it again."""

    optParameters = [  # noqa: RUF012  # as Twisted has it
        ["from", "f", None, "The configuration file that names the storage to read."],
        ["to", "t", None, "The configuration file that names the storage to fill."],
    ]

    def postOptions(self) -> None:
        if not self["from"] or not self["to"]:
            raise UsageError("--from and --to are needed")


class StorageOptions(UsageOptions):
    """The command line of ``mxisd-storage``."""

    subCommands = [["copy", None, CopyOptions, "Carry everything from one storage to another."]]  # noqa: RUF012

    def postOptions(self) -> None:
        if self.subCommand is None:
            raise UsageError("a command is needed: copy")


async def run(reactor: IReactor, source: Config, target: Config, out: TextIO) -> None:
    """
    Copy from the storage of one configuration to that of another.

    Raises :class:`CopyFailed`, :class:`StorageUnavailable`, and what an engine raises when it cannot start.
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
        summaries = await copy(old, new, Bar(out))
        await copy_keys(source, old.keys, target, new.keys)
    finally:
        for each in engines:
            await each.stopService()
    out.writelines(
        f"{kind.__name__}: {len(found.hashes):,} on both sides, checksum {found.checksum}\n"
        for kind, found in summaries.items()
    )


def main() -> None:
    """What ``mxisd-storage`` runs."""
    options = StorageOptions()  # type: ignore[no-untyped-call]  # Twisted's usage predates annotations
    try:
        options.parseOptions()  # type: ignore[no-untyped-call]  # as above
        source, target = (load(Path(options.subOptions[end]), os.environ) for end in ("from", "to"))
    except (UsageError, ConfigError) as error:
        sys.exit(f"mxisd-storage: {error}")
    task.react(lambda reactor: Deferred.fromCoroutine(_run(reactor, source, target)))


async def _run(reactor: IReactor, source: Config, target: Config) -> None:
    try:
        await run(reactor, source, target, sys.stdout)
    except (CopyFailed, StorageUnavailable, StartError, OSError) as error:
        sys.stderr.write(f"mxisd-storage: {error}\n")
        raise SystemExit(1) from None
