"""Addresses as stores have them, which is as people typed them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from ..matrix.threepid import MSISDN, ThreePid, fold
from ..waiting import Work, gather

_PUNCTUATION = re.compile(r"[\s().\-/]+")


def kept(medium: str, address: str) -> ThreePid:
    """
    An address of a store, in the form in which addresses are compared.

    ``+49 (151) 234-567`` is ``49151234567``.  A national number stays one, and is never found: the store does not say
    which country it is of.
    """
    if medium == MSISDN:
        address = _PUNCTUATION.sub("", address).removeprefix("00")
    return fold(medium, address.strip())


def findable(threepids: Iterable[ThreePid]) -> list[ThreePid]:
    """
    Those that a store can be asked for.

    Control characters are in no address, and one in a query would fail it for all others.
    """
    return [threepid for threepid in threepids if threepid.address and threepid.address.isprintable()]


async def one_by_one(lookup: Callable[[ThreePid], Work[str | None]], asked: Sequence[ThreePid]) -> dict[ThreePid, str]:
    """What a function finds that looks up a single address; it limits by itself how many are under way at a time."""
    found = await gather(map(lookup, asked))
    return {threepid: user_id for threepid, user_id in zip(asked, found, strict=True) if user_id is not None}
