"""Reads addresses in stores, which are as people typed them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar

from ..log import Logger
from ..lookup.source import Unusable
from ..matrix.threepid import MSISDN, ThreePid, fold, spellings
from ..waiting import Work, gather

S = TypeVar("S")
Lookup = Callable[[S, Sequence[ThreePid]], Awaitable[Mapping[ThreePid, str]]]

log = Logger()

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

    async def tried(threepid: ThreePid) -> str | Unusable | None:
        try:
            return await lookup(threepid)
        except Unusable as error:
            return error

    found = await gather(map(tried, asked))
    spare(found)
    return {threepid: user_id for threepid, user_id in zip(asked, found, strict=True) if isinstance(user_id, str)}


def spare(answers: Sequence[object]) -> None:
    """
    Let those that cannot be used concern themselves only, with a line in the log.

    Raises :class:`Unusable` if there are no others.
    """
    failed = [answer for answer in answers if isinstance(answer, Unusable)]
    if failed and len(failed) == len(answers):
        raise failed[0]
    if failed:
        log.warn("{failed} of {all} lookups at once: {error}", failed=len(failed), all=len(answers), error=failed[0])


def in_all_spellings(lookup: Lookup[S]) -> Callable[[S, Sequence[ThreePid]], Coroutine[Any, Any, dict[ThreePid, str]]]:
    """
    Have a store asked for each spelling of an address: it may have either, and compares texts.

    ``lookup`` is the method of the store; only what is :func:`findable` gets there.
    """

    @wraps(lookup)
    async def look_up(store: S, threepids: Sequence[ThreePid]) -> dict[ThreePid, str]:
        asked = {spelling: threepid for threepid in findable(threepids) for spelling in spellings(threepid)}
        found: dict[ThreePid, str] = {}
        for spelling, user_id in (await lookup(store, list(asked)) if asked else {}).items():
            # Others, of whom nobody has asked, are for the circuit breaker to leave out.
            found.setdefault(asked.get(spelling, spelling), user_id)
        return found

    return look_up
