"""Hashed lookups (specification: identity service API, "Association lookup", algorithm ``sha256``)."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256

from .threepid import ThreePid, spellings


def digest(threepid: ThreePid, pepper: str) -> str:
    """The SHA-256 of ``address medium pepper``, in URL-safe unpadded base64 as it goes over the wire."""
    text = f"{threepid.address} {threepid.medium} {pepper}"
    return urlsafe_b64encode(sha256(text.encode("utf-8", "surrogatepass")).digest()).rstrip(b"=").decode()


def digests(threepid: ThreePid, pepper: str) -> list[str]:
    """
    Everything that a client may send for an address: it hashes what its user typed, in lower case.

    More than one only for internationalised domains: see :func:`~mxisd.matrix.threepid.spellings`.
    """
    return [digest(spelling, pepper) for spelling in spellings(threepid)]
