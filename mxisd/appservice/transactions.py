"""Receives events from the homeserver (specification: application service API, "Pushing events")."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IReactorTime

from ..clock import DAY, now
from ..log import Logger
from ..storage.once import TransactionStorage as Store
from ..storage.records import sha256_of
from .events import Event, Reaction

log = Logger()

# A homeserver repeats a transaction until it is answered, and then goes on to the next.
REMEMBERED = 30 * DAY


class Transactions:
    """Shows the events of each transaction to all reactions, once."""

    def __init__(self, store: Store, reactions: Sequence[Reaction], clock: IReactorTime) -> None:
        self._store = store
        self._reactions = reactions
        self._clock = clock
        self._lock = DeferredLock()

    async def take(self, txn_id: str, events: Sequence[object]) -> None:
        """
        Act on a transaction, unless one with this ID and the same events was done before: Synapse counts them, and may
        begin again at 1 when it is restarted.  Raises what a reaction raises.
        """
        # One after the other: a repetition that comes while the first is at work must find it done.
        await self._lock.acquire()
        try:
            digest = _digest(events)
            if await self._store.is_done(txn_id, digest):
                log.info("transaction {id} came again: nothing to do for {n} events", id=txn_id, n=len(events))
                return
            for event in events:
                await self._show(event)
            await self._store.done(txn_id, digest, now(self._clock))
        finally:
            self._lock.release()

    async def purge(self) -> int:
        """Forget transactions that cannot come again; return how many."""
        return await self._store.purge(now(self._clock) - REMEMBERED)

    async def _show(self, given: object) -> None:
        try:
            event = msgspec.convert(given, Event)
        except msgspec.ValidationError as error:
            # Others of the transaction are well, and this one would not be better the next time.
            log.warn("the homeserver sent what is no event: {error}", error=error)
            return
        for reaction in self._reactions:
            await reaction.see(event)


def _digest(events: Sequence[object]) -> str:
    """Of the events' IDs: what else is in an event changes from one attempt to the next, such as its age."""
    ids = [event["event_id"] if isinstance(event, dict) and "event_id" in event else event for event in events]
    return sha256_of(repr(ids))
