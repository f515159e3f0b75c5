"""The index of hashed addresses: its peppers, and the users of identity stores in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Protocol, TypeVar

from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ..clock import MINUTE, Random, milliseconds, now
from ..log import Logger
from ..matrix.hashing import digest
from ..matrix.threepid import ThreePid, spellings
from ..services import almost
from ..storage.contract import StorageUnavailable
from ..storage.hashed import HashStorage, Portion
from ..storage.once import CooldownStorage
from ..storage.records import Pepper, sha256_of
from .invited import INVITED
from .source import Listing

log = Logger()

T = TypeVar("T")

# The current pepper, and the one before it, for clients that have just asked for that.
PEPPERS_IN_USE = 2
# So many addresses are hashed at once: some milliseconds' work.
PORTION = 1000
# So long after somebody came in by an invite, homeservers may be at work that have asked before, and found nobody.
NEW_FOR = MINUTE
# Until one looks again for the first pepper, which another process is making.  Seconds.
POLL_INTERVAL = 0.2


class InThread(Protocol):
    """Calls a function without holding up the reactor."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]: ...


class HashIndex:
    """
    Refreshes the index.

    Of several processes one does so every ``interval``, and each at its start, since it may be the first to
    have its configuration.

    There is a new pepper after the time ``rotation``, or when :meth:`looked_up` was called ``lookups`` times; never for
    what is ``None``.  Both are judged when the index is refreshed.
    """

    def __init__(
        self,
        hashes: HashStorage,
        cooldowns: CooldownStorage,
        listings: Sequence[tuple[str, Listing]],
        in_thread: InThread,
        clock: IReactorTime,
        random: Random,
        pepper_length: int,
        interval: timedelta,
        rotation: timedelta | None = None,
        lookups: int | None = None,
    ) -> None:
        self._hashes = hashes
        self._cooldowns = cooldowns
        self._listings = listings
        self._in_thread = in_thread
        self._clock = clock
        self._random = random
        self._pepper_length = pepper_length
        self._period = milliseconds(almost(interval))
        self._started = False
        self._rotation = rotation
        self._lookups_allowed = lookups
        self._lookups = 0
        self._first = DeferredLock()

    async def current(self) -> Pepper:
        """The pepper to hash with; it is made if there is none."""
        peppers = await self._hashes.peppers()
        return peppers[0] if peppers else await self._make_first()

    def looked_up(self) -> None:
        """Count a lookup of hashes."""
        self._lookups += 1

    async def add(self, threepid: ThreePid, user_id: str) -> None:
        """Take one more of the source :data:`INVITED` in, until the next refresh lists it or does not."""
        await self._cooldowns.take(_news(threepid), now(self._clock), NEW_FOR)
        peppers = [pepper.pepper for pepper in await self._hashes.peppers()]
        await self._hashes.add(INVITED, peppers, _hashed([(threepid, user_id)], peppers))

    async def is_new(self, threepid: ThreePid) -> bool:
        """Whether an address was taken in by :meth:`add` a moment ago."""
        return await self._cooldowns.is_running(_news(threepid), now(self._clock))

    async def tick(self) -> None:
        """Refresh, if that is for this process to do."""
        due = await self._cooldowns.take("refresh of hashes", now(self._clock), self._period)
        if due or not self._started:
            self._started = True
            await self.refresh()

    async def refresh(self) -> None:
        """Take in what the identity stores list now, under a new pepper if it is time for one."""
        current = await self.current()
        await self._hashes.arrange([name for name, _ in self._listings])
        if not self._is_over(current) or not await self._replace(current):
            await self._list([pepper.pepper for pepper in await self._hashes.peppers()])

    async def _make_first(self) -> Pepper:
        async with self._first:
            while not (peppers := await self._hashes.peppers()):
                pepper = self._new()
                if await self._hashes.prepare(pepper, after=None):
                    await self._hashes.publish(pepper.pepper, keep=PEPPERS_IN_USE)
                else:
                    await deferLater(self._clock, POLL_INTERVAL)
            return peppers[0]

    def _new(self) -> Pepper:
        return new_pepper(self._random, self._pepper_length, now(self._clock))

    def _age(self, pepper: Pepper) -> timedelta:
        return timedelta(milliseconds=now(self._clock) - pepper.made_at)

    def _is_over(self, current: Pepper) -> bool:
        if self._rotation is not None and self._age(current) >= self._rotation:
            return True
        return self._lookups_allowed is not None and self._lookups >= self._lookups_allowed

    async def _replace(self, current: Pepper) -> bool:
        """Whether there is a new pepper."""
        new = self._new()
        if not await self._hashes.prepare(new, after=current.pepper):
            return False
        complete = await self._list([new.pepper])
        # Under a new pepper nobody is found in a store that cannot be listed.  But no pepper must last for ever.
        overdue = self._rotation is not None and self._age(current) >= 2 * self._rotation
        if not complete and not overdue:
            log.warn("the pepper is kept until all identity stores can be listed")
            return False
        if not await self._hashes.publish(new.pepper, keep=PEPPERS_IN_USE):
            return False
        self._lookups = 0
        log.info("addresses are hashed with a new pepper")
        return True

    async def _list(self, peppers: Sequence[str]) -> bool:
        """Take all stores in; whether that was possible."""
        complete = True
        for name, listing in self._listings:
            start = self._clock.seconds()
            try:
                await self._hashes.replace(name, peppers, self._portions(listing, peppers))
            except StorageUnavailable:
                raise
            except Exception:
                log.failure("{store} cannot be listed: lookups by hash go by what it listed before", store=name)
                complete = False
            else:
                seconds = self._clock.seconds() - start
                log.debug("the hashes of {store} were refreshed in {seconds:.1f} s", store=name, seconds=seconds)
        return complete

    async def _portions(self, listing: Listing, peppers: Sequence[str]) -> AsyncIterator[Portion]:
        async for batch in listing.batches():
            for first in range(0, len(batch), PORTION):
                yield await self._in_thread(partial(_hashed, batch[first : first + PORTION], peppers))


def new_pepper(random: Random, length: int, made_at: int) -> Pepper:
    """One that nobody has used; clients may have it when it is published."""
    # Letters and digits only: clients were told so by the proposal that became the specification.
    return Pepper(pepper=random(length).hex()[:length], made_at=made_at)


def _hashed(users: Sequence[tuple[ThreePid, str]], peppers: Sequence[str]) -> Portion:
    return [
        ([digest(spelling, pepper) for pepper in peppers], user_id)
        for threepid, user_id in users
        for spelling in spellings(threepid)
    ]


def _news(threepid: ThreePid) -> str:
    # Addresses do not belong where nobody looks for them.
    return f"news {sha256_of(' '.join(threepid))}"
