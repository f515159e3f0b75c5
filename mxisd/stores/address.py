"""Addresses as stores have them, which is as people typed them."""

from __future__ import annotations

import re

from ..matrix.threepid import MSISDN, ThreePid, fold

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
