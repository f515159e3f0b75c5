"""Looking up pending invites until their addresses are known, or their time is up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import islice

from twisted.internet.interfaces import IReactorTime

from ..clock import DAY, HOUR, milliseconds, now
from ..lookup.source import Source, ask
from ..matrix.threepid import ThreePid
from ..metrics import RESOLUTION_SECONDS
from ..services import almost
from ..storage.contract import BindingStorage, InviteStorage
from ..storage.records import Invite
from ..waiting import Work, gather, spread
from .lifecycle import InviteLifecycle

# As many addresses go into one query.
BATCH = 1000
# So many invites end in one step, few enough not to hold up others; and so many steps at once, which share an fsync.
ENDING = 100
TOGETHER = 5
# So long after it was last signed, an invite has not been accepted if nobody was seen to do so.
SPOKEN_FOR = 7 * DAY
# Other servers are asked for the addresses of so many senders at once, for so many seconds; the rest is due next time.
ASKING = 8
ASKED_FOR = 30.0
# The longest time between two questions to remote sources about an invite.
REMOTE_LIMIT = HOUR


class Resolution:
    """
    Each tick looks all pending invites up, in batches, and ends those that are found or have expired.

    ``interval`` is the time between ticks.  Each source is behind a
    :class:`~mxisd.lookup.circuit_breaker.CircuitBreaker`: those that are local are asked in every tick; remote ones,
    after each miss, twice as much later; and those that fail not again in the same tick.  If ``expire_after`` is
    ``None``, nothing expires.

    Remote sources are asked last, by turns of the senders: nobody holds up others by addresses of silent servers.

    An invite that was signed does not expire either: for :data:`SPOKEN_FOR` it waits for others whom the address may
    turn out to belong to, and then it is taken for accepted.  Only where we are ``told_of`` all who join its room, and
    were told of nobody, it has become an invite like others.
    """

    def __init__(
        self,
        invites: InviteStorage,
        bindings: BindingStorage,
        sources: Sequence[Source],
        lifecycle: InviteLifecycle,
        clock: IReactorTime,
        interval: timedelta,
        expire_after: timedelta | None,
        told_of: Callable[[Invite], bool],
    ) -> None:
        self._invites = invites
        self._bindings = bindings
        self._sources = sources
        self._lifecycle = lifecycle
        self._clock = clock
        self._interval = milliseconds(interval)
        self._until_next = milliseconds(almost(interval))
        self._expire_after = None if expire_after is None else milliseconds(expire_after)
        self._told_of = told_of

    async def tick(self) -> None:
        """One round.  Raises :class:`StorageUnavailable`; what was not looked up then is due in the next."""
        start = now(self._clock)
        next_due = start + self._until_next
        local = _Panel([source for source in self._sources if source.local])
        remote = _Panel([source for source in self._sources if not source.local])
        with RESOLUTION_SECONDS.time():
            waiting: list[Invite] = []
            while batch := await self._invites.claim_due(start, next_due, BATCH):
                unasked: list[Invite] = []
                for invite in await self._look_up(batch, local):
                    (waiting if remote and invite.remote_due <= start else unasked).append(invite)
                await self._end_overdue(unasked)
            # Only now, since they may take their time.
            await spread(
                (self._ask(each, remote, start) for each in _in_turns(waiting)), ASKING, ASKED_FOR, self._clock
            )
            await self._end_overdue(waiting)

    async def _look_up(self, batch: Sequence[Invite], local: _Panel) -> list[Invite]:
        """Resolve what is known here, and return the rest."""
        addresses = list(dict.fromkeys(invite.threepid for invite in batch))
        found = await self._bindings.users_of(addresses)
        found |= await local.ask([threepid for threepid in addresses if threepid not in found])
        await self._resolve(found)
        return [invite for invite in batch if invite.threepid not in found]

    async def _ask(self, invites: Sequence[Invite], remote: _Panel, start: int) -> None:
        """Ask other servers for some addresses, resolve what they know, and count the others as missed."""
        found = await remote.ask(list(dict.fromkeys(invite.threepid for invite in invites)))
        await self._resolve(found)
        missed = [invite for invite in invites if invite.threepid not in found]
        if missed:
            await self._invites.missed_remotely(
                {invite.token: start + self._peace(invite.remote_misses) for invite in missed}
            )

    def _peace(self, misses: int) -> int:
        return min(self._interval << min(misses, 32), REMOTE_LIMIT)

    async def _resolve(self, found: Mapping[ThreePid, str]) -> None:
        # Those in other rooms too, whichever batch they would be in.
        remaining = iter(found.items())
        while some := list(islice(remaining, TOGETHER * ENDING)):
            steps = [dict(some[first : first + ENDING]) for first in range(0, len(some), ENDING)]
            await gather(self._lifecycle.resolve_all(step) for step in steps)

    async def _end_overdue(self, invites: Iterable[Invite]) -> None:
        ends = (end for invite in invites if (end := self._overdue(invite)) is not None)
        while some := list(islice(ends, ENDING)):
            await gather(some)

    def _overdue(self, invite: Invite) -> Work[Invite | None] | None:
        """How an invite is to end for which the time is up."""
        current = now(self._clock)
        if invite.signed_by:
            signer = max(invite.signed_by, key=invite.signed_by.__getitem__)
            if current < invite.signed_by[signer] + SPOKEN_FOR:
                return None
            if not self._told_of(invite):
                return self._lifecycle.accept(invite.token, signer)
        if self._expire_after is None or current < invite.created + self._expire_after:
            return None
        return self._lifecycle.expire(invite.token)


def _in_turns(invites: Iterable[Invite]) -> list[list[Invite]]:
    """
    Invites by sender, in the order in which other servers are to be asked.

    What anybody may have sent comes last; of each homeserver, one sender comes before the second of any.
    """
    by_sender: dict[tuple[bool, str], list[Invite]] = {}
    for invite in invites:
        by_sender.setdefault((not invite.proven, invite.sender), []).append(invite)
    before: Counter[tuple[bool, str]] = Counter()
    turns: dict[tuple[bool, str], tuple[bool, int]] = {}
    for unproven, sender in by_sender:
        server = unproven, sender.partition(":")[2]
        turns[unproven, sender] = unproven, before[server]
        before[server] += 1
    return [
        some[first : first + BATCH]
        for key, some in sorted(by_sender.items(), key=lambda item: turns[item[0]])
        for first in range(0, len(some), BATCH)
    ]


class _Panel:
    """Sources, asked in order; for the time of a tick, without those that failed."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = list(sources)

    def __bool__(self) -> bool:
        return bool(self._sources)

    async def ask(self, threepids: Sequence[ThreePid]) -> dict[ThreePid, str]:
        """The user IDs of those of the addresses that are known."""
        found, unavailable = await ask(self._sources, threepids)
        self._sources = [source for source in self._sources if source not in unavailable]
        return found
