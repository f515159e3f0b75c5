"""
Copying all that one engine keeps to another one, and comparing both.

Neither engine may be in use meanwhile.  A copy that was interrupted goes on where it was when it is started again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from hashlib import sha256
from operator import xor
from typing import TypeAlias

from msgspec import Struct, msgpack

from .archive import END, KINDS, START, Archive, Kept
from .contract import Storage
from .records import Session

# Called as the copy goes on: the kind, how many records of it are copied, and how many there are.
Report: TypeAlias = Callable[[type[Kept], int, int], None]


class CopyFailed(Exception):
    """The copy cannot be made, or differs from its source; the message says why."""


class Summary(Struct, frozen=True):
    """What an engine keeps of a kind: the first 64 bits of the SHA-256 of each record."""

    hashes: frozenset[int]

    @property
    def checksum(self) -> str:
        """One number for all records, in hexadecimal; it does not depend on their order."""
        return f"{reduce(xor, self.hashes, 0):016x}"


async def copy(source: Storage, target: Storage, report: Report) -> dict[type[Kept], Summary]:
    """
    Copy everything, or what is still missing after an interruption, and compare.

    Returns what was found on both sides.  Raises :class:`CopyFailed`,
    :class:`~mxisd.storage.contract.StorageUnavailable`.
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
    """The target must be empty, or hold the beginning of a copy that was interrupted."""
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
    """Let clients go on with the pepper that they know: the target makes its hashes with the same one."""
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
