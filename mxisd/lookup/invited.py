"""Who is in the index of hashed addresses only because somebody has invited them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from ..storage.contract import InviteStorage
from .source import Batch, Source, Unavailable, ask

# The name of this listing among those of the identity stores; it counts last.
INVITED = "invited"

# So many of the latest addresses count, as far as they are among so many of the latest invites that have ended.  Some
# stores run a program for each.
LATEST = 200
ENDED = 1000
# So many are asked for at once: a store that runs programs answers them in the time that it is given.
AT_ONCE = 20


class Invited:
    """
    Lists the users of identity stores that cannot be listed themselves, as far as invites have led to them.

    The stores are asked about each of these addresses again, so that nobody stays here whom no store knows any more.
    Only what is the administrator's own is asked: what other servers answer never comes in here.
    """

    def __init__(self, invites: InviteStorage, stores: Sequence[Source]) -> None:
        """``stores`` are behind circuit breakers."""
        self._invites = invites
        self._stores = stores

    async def batches(self) -> AsyncIterator[Batch]:
        """See :class:`~.source.Listing`.  Raises :class:`Unavailable`: what was listed before stays then."""
        ended = await self._invites.page(ended=True, offset=0, limit=ENDED)
        threepids = list(dict.fromkeys(invite.threepid for invite in ended if invite.ended == "resolved"))
        latest = threepids[:LATEST]
        for first in range(0, len(latest), AT_ONCE):
            found, unavailable = await ask(self._stores, latest[first : first + AT_ONCE])
            if unavailable:
                raise Unavailable(f"{', '.join(source.name for source in unavailable)} could not be asked")
            yield list(found.items())
