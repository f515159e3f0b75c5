"""The part of the storage contract by which hashed lookups are answered."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from typing import Protocol, TypeAlias

from .records import Pepper

Portion: TypeAlias = Sequence[tuple[Sequence[str], str]]
"""At most some thousand addresses: for each one the digests, one for each pepper asked for, and the user ID."""


class HashStorage(Protocol):
    """
    The index of hashed addresses: of all bindings, and of all users that identity stores ("sources") list.

    Work on the whole index is done in many small steps, so that other reads and writes do not wait for it.
    """

    async def peppers(self) -> list[Pepper]:
        """The peppers in use (those that :meth:`find` answers for), the current one first."""
        ...

    async def prepare(self, pepper: Pepper, *, after: str | None) -> bool:
        """
        Index all bindings, and from now on every new one, under a new pepper.  It is not in use yet.

        ``False`` if the current pepper is not ``after``, or another process is preparing one: of many processes that
        want to rotate, one does the work.  A pepper that is never published is deleted sooner or later.
        """
        ...

    async def publish(self, pepper: str, *, keep: int) -> bool:
        """
        Make a prepared pepper the current one, and delete all but the ``keep`` newest.

        ``False`` if it is not prepared, or was deleted.
        """
        ...

    async def find(self, pepper: str, digests: Sequence[str]) -> dict[str, str] | None:
        """
        User IDs by digest, as :func:`mxisd.matrix.hashing.digest` makes it; ``None`` if the pepper is not in use.

        If a digest is known more than once, bindings come first, then the sources in their order.
        """
        ...

    async def arrange(self, sources: Sequence[str]) -> None:
        """Set the list of sources and their order; delete what other sources have listed."""
        ...

    async def replace(self, source: str, peppers: Sequence[str], portions: AsyncIterable[Portion]) -> None:
        """
        Replace everything that a source lists by what is in ``portions``.

        Nothing changes before the last portion has been read.  Then the digests change in many steps; a call that was
        interrupted has to be repeated.  No effect for peppers that are neither in use nor prepared, nor for a source
        that was not given to :meth:`arrange`.
        """
        ...

    async def add(self, source: str, peppers: Sequence[str], portion: Portion) -> None:
        """
        Have a source list these too, until the next :meth:`replace` of it ends.

        Like that, it has no effect for unknown peppers and sources.
        """
        ...
